// The redirect as a lease that Envoy keeps by itself: what the heartbeat costs, how long new connections fail when Envoy dies or
// hangs, and whether one is ever taken for dead that is not. In namespaces, with an Envoy that passes connections on; `drills` and
// the soak in a lab.
// npm run bench -- hotswitch [--only cost|path|busy|gap|drills|soak] [--seconds 10] [--runs 20] [--soak MINUTES] [--burners 2] [--json FILE]

import { parseArgs } from "node:util";
import { cannotRun, createRig } from "../src/node/namespace-rig.testing.ts";
import { busyEnvoyRows } from "./hotswitch/busy-envoy.ts";
import { drillRows } from "./hotswitch/drill-rows.ts";
import { falseSwitchRows } from "./hotswitch/false-switches.ts";
import { heartbeatCostRows } from "./hotswitch/heartbeat-cost.ts";
import { openLeasePod } from "./hotswitch/lease-pod.ts";
import { pathChangeRows } from "./hotswitch/path-change.ts";
import { takeoverGapRows } from "./hotswitch/takeover-gap.ts";
import { type BenchRow, reportBench } from "./support/bench-report.ts";

const { values } = parseArgs({
	options: {
		only: { type: "string", default: "" },
		seconds: { type: "string", default: "10" },
		runs: { type: "string", default: "20" },
		soak: { type: "string", default: "1" },
		burners: { type: "string", default: "2" },
		json: { type: "string" },
	},
});
if (cannotRun) {
	console.error(`hotswitch: ${cannotRun}; run it as root`);
	process.exit(69);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const isWanted = (lane: string): boolean => lane.includes(values.only);
const rows: BenchRow[] = [];
if (["cost", "path", "busy", "gap"].some(isWanted)) {
	const rig = createRig();
	process.once("exit", () => rig.close());
	const pod = await openLeasePod(rig);
	if (isWanted("cost")) rows.push(...(await heartbeatCostRows(pod, Number(values.seconds))));
	if (isWanted("path")) rows.push(...(await pathChangeRows(pod)));
	if (isWanted("busy")) rows.push(...(await busyEnvoyRows(rig, pod)));
	if (isWanted("gap")) rows.push(...(await takeoverGapRows(pod, Number(values.runs))));
	pod.close();
}
if (isWanted("drills")) rows.push(...(await drillRows(Number(values.runs))));
if (isWanted("soak")) rows.push(...(await falseSwitchRows(Number(values.soak), Number(values.burners))));
reportBench("hotswitch", rows);
process.exit();
