// The ratings service: stars by reviewer, port 9080. FAIL_PERCENT, DELAY_MS and CRASH_AFTER make it misbehave.

import { type Handler, self } from "./serve.ts";

export const ratingsRoutes: Readonly<Record<string, Handler>> = {
	"/ratings/*": (_request, url) => ({
		body: {
			id: Number(url.pathname.split("/")[2]),
			ratings: { Reviewer1: 5, Reviewer2: 4 },
			pod: self.pod,
			version: self.version,
		},
	}),
};
