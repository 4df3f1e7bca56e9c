// One of three servers dies, behind an Envoy that lives on.

import type { Drill } from "../drill.ts";
import { outagesOf } from "./with-outages.ts";

export const backendCrashDrill: Drill = {
	name: "backend-crash",
	summary: "one of three servers is killed; retries are the mesh's defaults",
	bars: { lost: 0, detectMs: 1_000, wrong: 0 },
	inject: async (mesh) => {
		const { outMs, backMs } = await (await outagesOf(mesh)).crashServer();
		return { detectMs: outMs, restoreMs: backMs };
	},
};
