// The process that owns a virtual IP is stopped politely, as an upgrade does.

import type { Drill } from "../drill.ts";
import { otherNode, virtualIpOf } from "./with-virtual-ip.ts";

export const vipStopDrill: Drill = {
	name: "vip-stop",
	summary: "the process that owns a virtual IP is stopped: it hands over before it lets go",
	load: "virtualIp",
	bars: { lost: 0, wrong: 0 },
	inject: async (mesh) => {
		const { virtualIp, owner } = await virtualIpOf(mesh);
		const faultMs = mesh.nowMs();
		await virtualIp.stop(owner);
		await virtualIp.untilOwner(otherNode(virtualIp, owner));
		const convergeMs = mesh.nowMs() - faultMs;
		await virtualIp.untilRuns(owner);
		return { convergeMs };
	},
};
