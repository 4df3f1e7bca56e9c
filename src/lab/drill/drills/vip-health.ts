// The service behind a virtual IP dies on the owner; the node itself is well.

import type { Drill } from "../drill.ts";
import { otherNode, virtualIpOf } from "./with-virtual-ip.ts";

export const vipHealthDrill: Drill = {
	name: "vip-health",
	summary: "the service behind a virtual IP dies on its owner: the health check moves the address",
	load: "virtualIp",
	// A killed server keeps its port until a busy machine has let it die.
	bars: { gapMaxMs: 500, wrong: 0 },
	inject: async (mesh) => {
		const { virtualIp, owner } = await virtualIpOf(mesh);
		const faultMs = mesh.nowMs();
		await virtualIp.killService(owner);
		await virtualIp.untilOwner(otherNode(virtualIp, owner));
		const convergeMs = mesh.nowMs() - faultMs;
		await mesh.sleep(300);
		await virtualIp.reviveService(owner);
		return { convergeMs };
	},
};
