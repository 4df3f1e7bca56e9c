// How long a virtual IP is away when its owner dies, stops, falls ill or is cut off: Keepmesh beside real keepalived in the same
// run, on a bridge of network namespaces, with one UDP probe a millisecond. Then what it costs.
// npm run bench -- vip [--runs N] [--only TEXT] [--soak MINUTES] [--costs] [--json FILE]; --runs 20 takes most of an hour.

import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { cannotRun, createRig } from "../src/node/namespace-rig.testing.ts";
import { type BenchRow, reportBench, spreadOf } from "./support/bench-report.ts";
import { costRows } from "./vip/vip-costs.ts";
import { type Lane, laneName, lanes } from "./vip/vip-lanes.ts";
import { VipPair } from "./vip/vip-pair.ts";
import { endLane, runLane, startLane, type VipRun } from "./vip/vip-runs.ts";
import { soak } from "./vip/vip-soak.ts";

const { values } = parseArgs({
	options: {
		runs: { type: "string", default: "3" },
		only: { type: "string", multiple: true, default: [""] },
		soak: { type: "string", default: "0.25" },
		costs: { type: "boolean" },
		json: { type: "string" },
	},
});
const runs = Number(values.runs);
const because = cannotRun ?? (spawnSync("keepalived", ["--version"]).error ? "needs keepalived" : undefined);
if (because) {
	console.error(`vip: ${because}`);
	process.exit(69);
}

const rig = createRig();
const pair = new VipPair(rig);
const rows: BenchRow[] = [];
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
process.once("exit", () => {
	pair.close();
	rig.close();
});
try {
	if (!values.costs) for (const lane of lanes.filter(isWanted)) rows.push(...(await measure(lane)));
	if (values.costs || isNamed("costs")) rows.push(...(await costRows(pair)));
	for (const profile of ["default", "fast"] as const)
		if (isNamed(`soak, ${profile}`)) rows.push(...(await soak(pair, profile, Number(values.soak))));
} finally {
	if (rows.length > 0) reportBench("vip", rows);
}
process.exit(0);

function isWanted(lane: Lane): boolean {
	return isNamed(laneName(lane));
}

function isNamed(name: string): boolean {
	return values.only.some((text) => name.includes(text));
}

async function measure(lane: Lane): Promise<readonly BenchRow[]> {
	const name = laneName(lane);
	const measured: VipRun[] = [];
	try {
		await startLane(pair, lane);
		for (let run = 0; run < runs; run++) measured.push(await runLane(pair, lane));
	} catch (error) {
		console.error(`  ${name}: ${error instanceof Error ? error.message : error}`);
	} finally {
		await endLane(pair);
	}
	if (measured.length === 0) return [];
	const spread = (of: (run: VipRun) => number) => spreadOf(measured.map(of));
	const row = (what: string, unit: string, of: (run: VipRun) => number, target?: string): BenchRow => ({
		what: `${name}: ${what}`,
		unit,
		spread: spread(of),
		...(target === undefined ? {} : { target }),
	});
	const target = lane.target === undefined ? undefined : `median <= ${lane.target}`;
	const made = rowsOf(lane, row, target);
	for (const { what, unit, spread: figures } of made)
		console.error(
			`  ${what}: ${[figures.min, figures.median, figures.max].map((one) => one.toFixed(1)).join(" / ")} ${unit}`,
		);
	return made;
}

type MakeRow = (what: string, unit: string, of: (run: VipRun) => number, target?: string) => BenchRow;

function rowsOf({ fault }: Lane, row: MakeRow, target: string | undefined): readonly BenchRow[] {
	const late = row("prober late", "ms", (run) => run.lateMs);
	switch (fault) {
		case "none":
			return [row("longest gap", "ms", (run) => run.gapMs), row("lost", "probes", (run) => run.lost), late];
		case "crash":
		case "health":
			return [
				row(
					fault === "health" ? "fault to b" : "outage",
					"ms",
					fault === "health" ? (run) => run.afterFaultMs : (run) => run.gapMs,
					target,
				),
				late,
			];
		case "stop":
			return [
				row("longest gap", "ms", (run) => run.gapMs),
				row("lost", "probes", (run) => run.lost),
				row("both kernels", "ms", (run) => run.overlapMs),
				row("answers of the old owner after the new", "answers", (run) => run.answersOfOld),
				late,
			];
		case "split":
			return [
				row("two owners after it healed", "ms", (run) => run.overlapMs, target),
				row("client on one owner after it healed", "ms", (run) => run.afterFaultMs, target),
				row("lost after it healed", "probes", (run) => run.lost),
			];
	}
}
