import assert from "node:assert/strict";
import { it } from "node:test";
import type { WorkloadItem } from "../api/api-types.ts";
import { mergeWorkloads } from "./merge-workloads.ts";

const item = (names: readonly string[], proxy: WorkloadItem["proxy"]): WorkloadItem => ({
	names,
	namespace: "default",
	type: "sidecar",
	proxy,
	certificate: true,
	inbound: [],
	policies: [],
	tokens: [],
	outbound: [],
	servicesLeftOut: 0,
});

it("shows a workload as the control plane does that it is connected to, and each once", () => {
	const merged = mergeWorkloads([
		[item(["a"], "connected"), item(["b", "c"], "not connected"), item(["d"], "none")],
		[item(["b"], "connected"), item(["a", "c"], "not connected"), item(["d"], "none")],
	]);
	assert.deepEqual(
		merged.map(({ names, proxy }) => `${names.join(" ")}: ${proxy}`),
		["a b: connected", "c: not connected", "d: none"],
	);
});
