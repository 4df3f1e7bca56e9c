// A workload's Envoy stops without ending: the kernel finds it silent, new connections go another way, and it is killed, so that
// nobody waits for it any longer.

import type { Drill } from "../drill.ts";
import { sidecarOf } from "./with-sidecar.ts";

export const sidecarHangDrill: Drill = {
	name: "sidecar-hang",
	summary: "a workload's Envoy is stopped (SIGSTOP) under new connections; those that it holds are reset",
	load: "sidecar",
	bars: { convergeMs: 100, detectMs: 200, wrong: 0 },
	inject: async (mesh) => {
		const sidecar = await sidecarOf(mesh);
		const held = await sidecar.hold();
		const faultMs = await sidecar.break("SIGSTOP");
		const closedMs = await held.untilClosed();
		await sidecar.untilRestored();
		return { detectMs: closedMs - faultMs, restoreMs: mesh.nowMs() - faultMs };
	},
};
