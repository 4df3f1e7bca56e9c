// The redirect as a lease that Envoy's own health check keeps: what the heartbeat costs, and how long new connections fail when
// Envoy dies or hangs. In namespaces, with an Envoy that passes connections on.
// npm run bench -- hotswitch [--only cost|path|busy|gap] [--seconds 10] [--runs 5] [--json FILE]

import { parseArgs } from "node:util";
import { cannotRun, createRig } from "../src/node/namespace-rig.testing.ts";
import { busyEnvoyRows } from "./hotswitch/busy-envoy.ts";
import { heartbeatCostRows } from "./hotswitch/heartbeat-cost.ts";
import { openLeasePod } from "./hotswitch/lease-pod.ts";
import { pathChangeRows } from "./hotswitch/path-change.ts";
import { takeoverGapRows } from "./hotswitch/takeover-gap.ts";
import { type BenchRow, reportBench } from "./support/bench-report.ts";

const { values } = parseArgs({
	options: {
		only: { type: "string", default: "" },
		seconds: { type: "string", default: "10" },
		runs: { type: "string", default: "5" },
		json: { type: "string" },
	},
});
if (cannotRun) {
	console.error(`hotswitch: ${cannotRun}; run it as root`);
	process.exit(69);
}

const rig = createRig();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
process.once("exit", () => rig.close());

const pod = await openLeasePod(rig);
const rows: BenchRow[] = [];
if ("cost".includes(values.only)) rows.push(...(await heartbeatCostRows(pod, Number(values.seconds))));
if ("path".includes(values.only)) rows.push(...(await pathChangeRows(pod)));
if ("busy".includes(values.only)) rows.push(...(await busyEnvoyRows(rig, pod)));
if ("gap".includes(values.only)) rows.push(...(await takeoverGapRows(pod, Number(values.runs))));
pod.close();
reportBench("hotswitch", rows);
process.exit();
