// Every node agent becomes another version: what carries requests must not notice.

import type { Drill } from "../drill.ts";
import { rightly, upgradesOf } from "./with-upgrades.ts";

export const agentUpgradeDrill: Drill = {
	name: "agent-upgrade",
	summary:
		"the agents of all nodes, one after the other, become another version; Envoys and redirects stay as they are",
	bars: { lost: 0, wrong: 0 },
	inject: async (mesh) => ({ convergeMs: await rightly((await upgradesOf(mesh)).upgradeAgents()) }),
};
