// Nothing is broken: what the machine itself does to the figures.

import type { Drill } from "../drill.ts";

const quietMs = 4_000;

export const noneDrill: Drill = {
	name: "none",
	summary: "nothing is broken: the noise of this machine, run before every other drill",
	bars: { lost: 0, wrong: 0 },
	inject: async (mesh) => {
		await mesh.sleep(quietMs);
		return {};
	},
};
