// How long a fresh node needs for all Services at once, and what memory it then has.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Rig } from "../../src/node/namespace-rig.testing.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import { createLane } from "./lane.ts";
import type { SyncReport } from "./sync-process.ts";

const runs = 5;

export function firstSyncRows(rig: Rig): readonly BenchRow[] {
	return [
		...rowsFor(rig, 1000, 10, {}),
		...rowsFor(rig, 10_000, 10, { sync: "<= 3000", memory: "<= 300" }),
		...rowsFor(rig, 30_000, 10, {}, 2),
	];
}

function rowsFor(
	rig: Rig,
	services: number,
	endpoints: number,
	target: { readonly sync?: string; readonly memory?: string },
	times = runs,
): readonly BenchRow[] {
	const reports: SyncReport[] = [];
	for (let run = 0; run < times; run++) {
		const lane = createLane(rig, `sync-${services}-${run}`);
		const program = [process.execPath, "--no-warnings", join(import.meta.dirname, "sync-process.ts")];
		const words = [`--net=${lane.node}`, ...program, String(services), String(endpoints)];
		reports.push(JSON.parse(execFileSync("nsenter", words, { encoding: "utf8" })) as SyncReport);
		lane.close();
	}
	const row = (what: string, unit: string, of: (report: SyncReport) => number, aim?: string): BenchRow => ({
		what: `${services} services x ${endpoints}: ${what}`,
		unit,
		spread: spreadOf(reports.map(of)),
		...(aim === undefined ? {} : { target: aim }),
	});
	return [
		row("first sync", "ms", (report) => report.syncMs, target.sync),
		row("of that one transaction to the kernel", "ms", (report) => report.kernelMs),
		row("memory of the process", "MB", (report) => report.rssMb, target.memory),
		row("its peak", "MB", (report) => report.peakMb, target.memory),
		row("memory before any Service", "MB", (report) => report.emptyMb),
	];
}
