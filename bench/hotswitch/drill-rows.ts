// The drills of the hot-switch as rows of a benchmark: each so often, in a lab of its own.

import { startDrillLab } from "../../src/app/drill/drill-lab.ts";
import { labDrillMesh } from "../../src/app/drill/lab-drill-mesh.ts";
import type { DrillBars } from "../../src/lab/drill/drill.ts";
import { agentAndSidecarDrill } from "../../src/lab/drill/drills/agent-and-sidecar.ts";
import { restoreDrill } from "../../src/lab/drill/drills/restore.ts";
import { sidecarCrashDrill } from "../../src/lab/drill/drills/sidecar-crash.ts";
import { sidecarHangDrill } from "../../src/lab/drill/drills/sidecar-hang.ts";
import { type DrillLine, runDrills } from "../../src/lab/drill/run-drills.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";

const drills = [sidecarCrashDrill, sidecarHangDrill, agentAndSidecarDrill, restoreDrill];
const figures = ["detectMs", "convergeMs", "restoreMs"] as const;
const sideNames = ["inbound", "outbound"] as const;

export async function drillRows(runs: number): Promise<readonly BenchRow[]> {
	const lab = await startDrillLab({ name: `hsw${process.pid % 100_000}` });
	try {
		const mesh = labDrillMesh(lab);
		const lines = await runDrills(drills, { runs, baselineRuns: 2, marginMs: 500 }, mesh, {
			ends: ({ figures: all, missed }) => {
				console.error(JSON.stringify(all));
				for (const what of missed) console.error(`  missed: ${what}`);
			},
		});
		return ["none", ...drills.map(({ name }) => name)].flatMap((name) => {
			const bars = drills.find((drill) => drill.name === name)?.bars ?? {};
			return rowsOf(
				name,
				bars,
				lines.filter((line) => line.figures.drill === name),
			);
		});
	} finally {
		await lab.down();
	}
}

function rowsOf(name: string, bars: DrillBars, lines: readonly DrillLine[]): readonly BenchRow[] {
	const target = (most: number | undefined): { readonly target?: string } =>
		most === undefined ? {} : { target: `<= ${most}` };
	const row = (what: string, unit: string, values: readonly number[], most?: number): readonly BenchRow[] =>
		values.length === 0 ? [] : [{ what: `${name}: ${what}`, unit, spread: spreadOf(values), ...target(most) }];
	const missed = lines.filter((line) => line.missed.length > 0).length;
	return [
		...row(
			"requests of a run",
			"requests",
			valuesOf(lines, ({ sent }) => sent),
		),
		...row(
			"lost of a run",
			"requests",
			valuesOf(lines, ({ lost }) => lost),
			bars.lost,
		),
		...sideNames.flatMap((side) =>
			row(
				`failing ${side} for`,
				"ms",
				valuesOf(lines, ({ sides }) => sides?.[side]?.failingMs),
				bars.convergeMs,
			),
		),
		...figures.flatMap((figure) =>
			row(
				figure,
				"ms",
				valuesOf(lines, (all) => all[figure]),
				bars[figure],
			),
		),
		...row(
			"gap between good answers",
			"ms",
			valuesOf(lines, ({ gapMaxMs }) => gapMaxMs),
		),
		...row(
			"wrong of a run",
			"requests",
			valuesOf(lines, ({ wrong }) => wrong),
			bars.wrong,
		),
		...row("runs that missed a bar", "runs", [missed], 0),
	];
}

function valuesOf(
	lines: readonly DrillLine[],
	of: (figures: DrillLine["figures"]) => number | null | undefined,
): readonly number[] {
	return lines.flatMap(({ figures: all }) => of(all) ?? []);
}
