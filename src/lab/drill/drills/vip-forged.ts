// Somebody on the network sends adverts that are not those of a peer.

import type { Drill } from "../drill.ts";
import { virtualIpOf } from "./with-virtual-ip.ts";

export const vipForgedDrill: Drill = {
	name: "vip-forged",
	summary:
		"adverts without a key, with a wrong checksum, from afar, cut short, of another version: none moves the address",
	load: "virtualIp",
	bars: { lost: 0, wrong: 0 },
	inject: async (mesh) => {
		const { virtualIp, owner } = await virtualIpOf(mesh);
		const { sent, dropped } = await virtualIp.forge();
		if (sent === 0) throw new Error("nothing was forged");
		if (dropped < sent) throw new Error(`${dropped} of ${sent} forged adverts were dropped as what they are`);
		const now = await virtualIp.owner();
		if (now !== owner) throw new Error(`the owner was ${owner} and is ${now}`);
		return {};
	},
};
