// A server behind a Service dies: the kernel goes on sending it new connections until the endpoint has left the rules.

import type { Drill } from "../drill.ts";
import { layer4Of } from "./with-layer4.ts";

export const l4BackendCrashDrill: Drill = {
	name: "l4-backend-crash",
	summary: "a server behind a Service is killed, under 500 new connections a second from a pod without a proxy",
	load: "newConnections",
	// Of four servers one is gone: what is lost is a quarter of what comes until the rules know.
	bars: { lost: 60, gapMaxMs: 1_000, detectMs: 500, wrong: 0 },
	inject: async (mesh) => {
		const { outMs, backMs } = await (await layer4Of(mesh)).crashBackend();
		return { detectMs: outMs, restoreMs: backMs };
	},
};
