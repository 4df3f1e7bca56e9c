// Every control plane becomes another version, one after the other.

import type { Drill } from "../drill.ts";
import { rightly, upgradesOf } from "./with-upgrades.ts";

export const controlUpgradeDrill: Drill = {
	name: "control-upgrade",
	summary: "the control planes, one after the other, become another version",
	bars: { lost: 0, wrong: 0 },
	inject: async (mesh) => ({ convergeMs: await rightly((await upgradesOf(mesh)).upgradeControlPlanes()) }),
};
