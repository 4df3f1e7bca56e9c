// A server leaves as a rolling update takes one away: with time to drain.

import type { Drill } from "../drill.ts";
import { upgradesOf } from "./with-upgrades.ts";

export const podDrainDrill: Drill = {
	name: "pod-drain",
	summary: "one of three servers is deleted, with time to drain, and another takes its place",
	bars: { lost: 0, wrong: 0 },
	inject: async (mesh) => ({ convergeMs: await (await upgradesOf(mesh)).drainServer() }),
};
