// Layer 4 in the kernel by Keepmesh: how fast rules come and change, what a connection pays for them beside rules written by hand, and
// who loses a connection when endpoints or nodes go. In namespaces; between them one thread sends, receives and takes the time.
// npm run bench -- l4 [--only TEXT] [--kube-proxy-services N,N] [--json FILE]; TEXT is of: sync change first-packet beside-hand
// rolling node-loss kube-proxy

import { parseArgs } from "node:util";
import { cannotRun, createRig } from "../src/node/namespace-rig.testing.ts";
import { besideHandRows } from "./l4/beside-hand.ts";
import { firstPacketRows } from "./l4/first-packet.ts";
import { firstSyncRows } from "./l4/first-sync.ts";
import { kubeProxyRows } from "./l4/kube-proxy.ts";
import { nodeLossRows } from "./l4/node-loss.ts";
import { oneChangeRows } from "./l4/one-change.ts";
import { rollingRows } from "./l4/rolling.ts";
import { type BenchRow, reportBench } from "./support/bench-report.ts";

const { values } = parseArgs({
	options: {
		only: { type: "string", multiple: true, default: [""] },
		"kube-proxy-services": { type: "string", default: "1000" },
		json: { type: "string" },
	},
});
if (cannotRun) {
	console.error(`l4: ${cannotRun}; run it as root`);
	process.exit(69);
}

const rig = createRig();
const rows: BenchRow[] = [];
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
process.once("exit", () => rig.close());

const parts: Readonly<Record<string, () => readonly BenchRow[] | Promise<readonly BenchRow[]>>> = {
	sync: () => firstSyncRows(rig),
	change: async () => [...(await oneChangeRows(rig, 1000)), ...(await oneChangeRows(rig, 10_000, "<= 10"))],
	"first-packet": () => firstPacketRows(rig),
	"beside-hand": () => besideHandRows(rig),
	rolling: () => rollingRows(rig),
	"node-loss": () => nodeLossRows(rig),
	"kube-proxy": () => kubeProxyRows(rig, values["kube-proxy-services"].split(",").map(Number)),
};

for (const [name, measure] of Object.entries(parts)) {
	if (!values.only.some((text) => name.includes(text))) continue;
	const startMs = performance.now();
	try {
		rows.push(...(await measure()));
	} catch (error) {
		console.error(`  ${name}: ${error instanceof Error ? error.stack : error}`);
		process.exitCode = 1;
	}
	console.error(`  ${name}: ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
}
reportBench("l4", rows);
process.exit();
