// An operator takes a workload's connections off its Envoy, under STRICT mutual TLS, and gives them back.

import type { Drill } from "../drill.ts";
import { spareOf } from "./with-spare.ts";

const bypassedMs = 1_000;

export const spareBypassDrill: Drill = {
	name: "spare-bypass",
	summary: "a workload's Envoy is bypassed by hand under STRICT, to the node's spare Envoy, and restored",
	load: "spare",
	bars: { lost: 0, wrong: 0 },
	inject: async (mesh) => {
		const spare = await spareOf(mesh);
		await spare.bypassByHand();
		await spare.untilOnSpare();
		await mesh.sleep(bypassedMs);
		const askedMs = mesh.nowMs();
		await spare.restoreByHand();
		await spare.untilOnSidecar();
		return { restoreMs: mesh.nowMs() - askedMs };
	},
};
