// A workload's Envoy and the agent that would look after it are killed at once: the kernel alone takes the connections off it. The
// agent comes back later, and must take over what the kernel does.

import type { Drill } from "../drill.ts";
import { sidecarOf } from "./with-sidecar.ts";

const aloneMs = 1_000;

export const agentAndSidecarDrill: Drill = {
	name: "agent-and-sidecar",
	summary: "a workload's Envoy and its node's agent are killed at once; the agent is started again a second later",
	load: "sidecar",
	bars: { convergeMs: 100, wrong: 0 },
	inject: async (mesh) => {
		const sidecar = await sidecarOf(mesh);
		const faultMs = await sidecar.break("SIGKILL", true);
		try {
			await mesh.sleep(aloneMs);
		} finally {
			await sidecar.reviveAgent();
		}
		await sidecar.untilRestored();
		return { restoreMs: mesh.nowMs() - faultMs };
	},
};
