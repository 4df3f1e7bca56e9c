// Every control plane is dead, and meanwhile an Envoy dies as well: what it serves then was on its node's disk.

import type { Drill } from "../drill.ts";
import { outagesOf } from "./with-outages.ts";

const defaultOutageMs = 10_000;

export const controlPlanesDownDrill: Drill = {
	name: "control-planes-down",
	summary: "all control planes are killed for 10 s (--outage), and an Envoy is killed and started again meanwhile",
	bars: { lost: 0, restoreMs: 1_000, wrong: 0 },
	inject: async (mesh) => {
		const outages = await outagesOf(mesh);
		const { outageMs = defaultOutageMs } = mesh;
		await outages.killControlPlanes();
		const faultMs = mesh.nowMs();
		try {
			await mesh.sleep(outageMs / 2);
			const restoreMs = await outages.restartEnvoy();
			await mesh.sleep(Math.max(0, faultMs + outageMs - mesh.nowMs()));
			return { restoreMs };
		} finally {
			await outages.reviveControlPlanes();
		}
	},
};
