// Configuration that means nothing, and then a thousand changes in a burst.

import type { Drill } from "../drill.ts";
import { outagesOf } from "./with-outages.ts";

const burst = 1_000;
const waitMs = 20_000;

export const badConfigDrill: Drill = {
	name: "bad-config",
	summary: "rules that mean nothing are written, and beside one of them another is changed a thousand times in a burst",
	bars: { lost: 0, detectMs: 1_000, wrong: 0 },
	inject: async (mesh) => {
		const outages = await outagesOf(mesh);
		const first = (await outages.numberSeen()) ?? 0;
		try {
			const refusedMs = await outages.writeNonsense("validation");
			await outages.removeNonsense();
			// Stays where it is: what shares a route table with it must go on.
			const rejectedMs = await outages.writeNonsense("envoy");
			const burstMs = mesh.nowMs();
			for (let number = first + 1; number < first + burst; number++) await outages.write(number);
			await outages.change(first + burst);
			while ((await outages.numberSeen()) !== first + burst) {
				if (mesh.nowMs() - burstMs > waitMs) throw new Error(`the last change is not seen after ${waitMs / 1000} s`);
				await mesh.sleep(5);
			}
			return { detectMs: Math.max(rejectedMs, refusedMs), convergeMs: mesh.nowMs() - burstMs };
		} finally {
			await outages.removeNonsense();
		}
	},
};
