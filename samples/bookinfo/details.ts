// The details service: facts about the book, port 9080.

import { type Handler, self } from "./serve.ts";

export const detailsRoutes: Readonly<Record<string, Handler>> = {
	"/details/*": (_request, url) => ({
		body: {
			id: Number(url.pathname.split("/")[2]),
			title: "The Comedy of Errors",
			author: "William Shakespeare",
			year: 1595,
			type: "paperback",
			pages: 200,
			publisher: "PublisherA",
			language: "English",
			"ISBN-10": "1234567890",
			"ISBN-13": "123-1234567890",
			pod: self.pod,
			version: self.version,
		},
	}),
};
