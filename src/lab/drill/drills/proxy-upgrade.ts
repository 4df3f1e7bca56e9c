// Every Envoy hands over to one of another program, on the same ports and in the same pod.

import type { Drill } from "../drill.ts";
import { rightly, upgradesOf } from "./with-upgrades.ts";

export const proxyUpgradeDrill: Drill = {
	name: "proxy-upgrade",
	summary: "all Envoys that the load passes, callers' and servers', are replaced by those of another program",
	bars: { lost: 0, wrong: 0 },
	inject: async (mesh) => {
		const upgrades = await upgradesOf(mesh);
		const convergeMs = await rightly(upgrades.upgradeEnvoys());
		return { convergeMs, restoreMs: await upgrades.untilOldEnvoysEnded() };
	},
};
