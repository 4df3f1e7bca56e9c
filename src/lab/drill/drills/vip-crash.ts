// The owner of a virtual IP dies with its machine: no process left, no cable.

import type { Drill } from "../drill.ts";
import { otherNode, virtualIpOf } from "./with-virtual-ip.ts";

export const vipCrashDrill: Drill = {
	name: "vip-crash",
	summary: "the owner of a virtual IP is killed and its cable pulled, under a probe a millisecond",
	load: "virtualIp",
	bars: { gapMaxMs: 250, wrong: 0 },
	inject: async (mesh) => {
		const { virtualIp, owner } = await virtualIpOf(mesh);
		const faultMs = mesh.nowMs();
		await virtualIp.crash(owner);
		await virtualIp.untilOwner(otherNode(virtualIp, owner));
		const convergeMs = mesh.nowMs() - faultMs;
		const startedMs = mesh.nowMs();
		await virtualIp.repair(owner);
		return { convergeMs, restoreMs: mesh.nowMs() - startedMs };
	},
};
