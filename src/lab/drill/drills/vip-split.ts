// The two nodes no longer hear each other, so both own; then they do again.

import type { Drill } from "../drill.ts";
import { virtualIpOf } from "./with-virtual-ip.ts";

const apartMs = 5_000;

export const vipSplitDrill: Drill = {
	name: "vip-split",
	summary: "two nodes are cut off from each other and joined again: one owner within an interval, and clients reach it",
	load: "virtualIp",
	// Adverts of 1 s.
	bars: { gapMaxMs: 1_000, restoreMs: 1_000, wrong: 0 },
	inject: async (mesh) => {
		const { virtualIp } = await virtualIpOf(mesh);
		await virtualIp.part();
		await mesh.sleep(apartMs);
		if ((await virtualIp.owner()) !== undefined)
			throw new Error("the two halves did not both own, so nothing was shown");
		return { restoreMs: await virtualIp.heal() };
	},
};
