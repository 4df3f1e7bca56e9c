// Connections are given back to a workload's Envoy: by itself, after it was killed and started again, and by hand, after an
// operator had taken them off it. What was lost when it died is another drill's.

import type { Drill } from "../drill.ts";
import { sidecarOf } from "./with-sidecar.ts";

const settleMs = 150;
const bypassedMs = 300;

export const restoreDrill: Drill = {
	name: "restore",
	summary: "connections go back to a workload's Envoy: once it has proved itself again, and after a bypass by hand",
	load: "sidecar",
	bars: { lost: 0, wrong: 0 },
	inject: async (mesh) => {
		const sidecar = await sidecarOf(mesh);
		const faultMs = await sidecar.break("SIGKILL");
		await sidecar.untilSwitched();
		await mesh.sleep(settleMs);
		sidecar.countFromNow();
		await sidecar.untilRestored();
		const restoreMs = mesh.nowMs() - faultMs;
		await mesh.sleep(settleMs);
		await sidecar.bypassByHand();
		await sidecar.untilSwitched();
		await mesh.sleep(bypassedMs);
		await sidecar.restoreByHand();
		await sidecar.untilRestored();
		return { restoreMs };
	},
};
