// A workload's Envoy is killed under STRICT mutual TLS: the node's spare has its connections until a new Envoy has proved itself,
// with its identity and its policies.

import type { Drill } from "../drill.ts";
import { spareOf } from "./with-spare.ts";

export const spareTakeoverDrill: Drill = {
	name: "spare-takeover",
	summary:
		"a workload's Envoy is killed under STRICT; the node's spare Envoy serves, with its certificate and policies",
	load: "spare",
	bars: { gapMaxMs: 150, convergeMs: 150, wrong: 0 },
	inject: async (mesh) => {
		const spare = await spareOf(mesh);
		const faultMs = await spare.killSidecar();
		await spare.untilOnSpare();
		const detectMs = mesh.nowMs() - faultMs;
		await spare.untilOnSidecar();
		return { detectMs, restoreMs: mesh.nowMs() - faultMs };
	},
};
