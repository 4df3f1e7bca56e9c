// A workload's Envoy is killed: its new connections go another way, until a new Envoy has proved itself.

import type { Drill } from "../drill.ts";
import { sidecarOf } from "./with-sidecar.ts";

export const sidecarCrashDrill: Drill = {
	name: "sidecar-crash",
	summary: "a workload's Envoy is killed under new connections in and out of it; another takes its place",
	load: "sidecar",
	bars: { convergeMs: 60, wrong: 0 },
	medianBars: { convergeMs: 15 },
	inject: async (mesh) => {
		const sidecar = await sidecarOf(mesh);
		const faultMs = await sidecar.break("SIGKILL");
		await sidecar.untilSwitched();
		const detectMs = mesh.nowMs() - faultMs;
		await sidecar.untilRestored();
		return { detectMs, restoreMs: mesh.nowMs() - faultMs };
	},
};
