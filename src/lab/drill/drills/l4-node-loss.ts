// A node that balances dies: another one, which knows nothing of its connections, must lead each to the server that has it.

import type { Drill } from "../drill.ts";
import { layer4Of } from "./with-layer4.ts";

const awayMs = 1_500;

export const l4NodeLossDrill: Drill = {
	name: "l4-node-loss",
	summary: "the node that balances is lost, and another takes its connections over (Maglev)",
	load: "keptConnections",
	bars: { lost: 0, gapMaxMs: 1_500, wrong: 0 },
	inject: async (mesh) => {
		const layer4 = await layer4Of(mesh);
		const faultMs = mesh.nowMs();
		await layer4.loseNode();
		const convergeMs = mesh.nowMs() - faultMs;
		await mesh.sleep(awayMs);
		const startedMs = mesh.nowMs();
		await layer4.repairNode();
		return { convergeMs, restoreMs: mesh.nowMs() - startedMs };
	},
};
