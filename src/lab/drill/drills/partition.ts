// A node and the control planes no longer hear each other while the configuration changes; then they do again.

import type { Drill } from "../drill.ts";
import { outagesOf } from "./with-outages.ts";

const changes = 5;
const apartMs = 6_000;
const waitMs = 10_000;

export const partitionDrill: Drill = {
	name: "partition",
	summary: "the caller's node is cut off from all control planes while a rule changes five times, then heard again",
	bars: { lost: 0, restoreMs: 500, wrong: 0 },
	inject: async (mesh) => {
		const outages = await outagesOf(mesh);
		const first = (await outages.numberSeen()) ?? 0;
		await outages.cut();
		try {
			const endMs = mesh.nowMs() + apartMs;
			for (let number = first + 1; number <= first + changes; number++) await outages.change(number);
			await mesh.sleep(Math.max(0, endMs - mesh.nowMs()));
			const seen = (await outages.numberSeen()) ?? 0;
			if (seen !== first) throw new Error(`the change ${seen} arrived, so the node was not cut off`);
		} finally {
			await outages.heal();
		}
		const healedMs = mesh.nowMs();
		let wrong = 0;
		for (let last = first; last < first + changes; ) {
			if (mesh.nowMs() - healedMs > waitMs) throw new Error(`after the repair it stays at change ${last}`);
			await mesh.sleep(5);
			const seen = (await outages.numberSeen()) ?? 0;
			// Configuration that goes backwards.
			if (seen < last) wrong += 1;
			last = seen;
		}
		return { restoreMs: mesh.nowMs() - healedMs, wrong };
	},
};
