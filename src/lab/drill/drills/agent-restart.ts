// The agent of every node dies and is started again: what carries requests must not notice.

import type { Drill } from "../drill.ts";
import { outagesOf } from "./with-outages.ts";

export const agentRestartDrill: Drill = {
	name: "agent-restart",
	summary: "the agents of all nodes are killed at once and started again; Envoys and redirects stay as they are",
	bars: { lost: 0, wrong: 0 },
	inject: async (mesh) => {
		const { backMs, touched } = await (await outagesOf(mesh)).killAgents();
		if (touched.length > 0) throw new Error(touched.join("; "));
		return { convergeMs: backMs };
	},
};
