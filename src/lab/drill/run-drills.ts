// Runs drills one after the other, the one without a fault first, and makes figures of what load and drill measured.

import { type Drill, type DrillFigures, type DrillFindings, missedBars, missedMedianBars } from "./drill.ts";
import type { DrillLoad, DrillMesh, DrillReport } from "./drill-mesh.ts";
import { noneDrill } from "./drills/none.ts";

export interface DrillLine {
	readonly figures: DrillFigures;
	/** Bars that were missed, or why it could not be done; empty: good. */
	readonly missed: readonly string[];
}

export interface DrillOptions {
	readonly runs: number;
	/** Of the drill without a fault, before each load's others. Default: `runs`. */
	readonly baselineRuns?: number;
	/** Load before the fault and after the end. Default 1,000 ms. */
	readonly marginMs?: number;
}

/** From here on a sender is part of the trouble. */
const tooLateMs = 250;

export async function runDrills(
	drills: readonly Drill[],
	options: DrillOptions,
	mesh: DrillMesh,
	on: { readonly begins?: (drill: Drill, run: number) => void; readonly ends: (line: DrillLine) => void },
): Promise<readonly DrillLine[]> {
	const lines: DrillLine[] = [];
	const broken = drills.filter(({ name }) => name !== noneDrill.name);
	const loads = new Set<DrillLoad>(broken.map(({ load = "mesh" }) => load));
	// Each load has a noise of its own.
	for (const load of loads.size === 0 ? (["mesh"] as const) : loads) {
		let baselineGapMs: number | null = null;
		for (const drill of [{ ...noneDrill, load }, ...broken.filter((one) => (one.load ?? "mesh") === load)]) {
			const figures: DrillFigures[] = [];
			const runs = drill.name === noneDrill.name ? (options.baselineRuns ?? options.runs) : options.runs;
			for (let run = 1; run <= runs; run++) {
				on.begins?.(drill, run);
				const ended = await runOnce(drill, run, options.marginMs ?? 1_000, baselineGapMs, mesh);
				figures.push(ended.figures);
				const medians = run === runs ? missedMedianBars(figures, drill.medianBars) : [];
				const line = { ...ended, missed: [...ended.missed, ...medians] };
				if (drill.name === noneDrill.name) baselineGapMs = Math.max(baselineGapMs ?? 0, line.figures.gapMaxMs);
				lines.push(line);
				on.ends(line);
			}
		}
	}
	return lines;
}

async function runOnce(
	drill: Drill,
	run: number,
	marginMs: number,
	baselineGapMs: number | null,
	mesh: DrillMesh,
): Promise<DrillLine> {
	const load = await mesh.startLoad(drill.load ?? "mesh");
	await mesh.sleep(marginMs);
	let findings: DrillFindings = {};
	let failure: string | undefined;
	try {
		findings = await drill.inject(mesh);
	} catch (error) {
		failure = error instanceof Error ? error.message : String(error);
	}
	await mesh.sleep(marginMs);
	const report = await load.stop();
	const good = Object.entries(report.byOutcome)
		.filter(([outcome]) => /^[123]\d\d$/.test(outcome))
		.reduce((sum, [, count]) => sum + count, 0);
	const convergeMs = findings.convergeMs ?? failingMsOf(report);
	const figures: DrillFigures = {
		drill: drill.name,
		run,
		sent: report.sent,
		lost: report.sent - good,
		gapMaxMs: rounded(report.longestGapMs),
		detectMs: findings.detectMs === undefined ? null : rounded(findings.detectMs),
		convergeMs: convergeMs === undefined ? null : rounded(convergeMs),
		restoreMs: findings.restoreMs === undefined ? null : rounded(findings.restoreMs),
		wrong: report.plaintext + (report.twoOwners ?? 0) + (report.strays ?? 0) + (findings.wrong ?? 0),
		baselineGapMs,
		...(report.sides ? { sides: report.sides } : {}),
	};
	const missed = [
		...(failure === undefined ? [] : [failure]),
		...(report.sent === 0 ? ["nothing was sent"] : []),
		...missedBars(figures, drill.bars),
		...(report.twoOwners ? [`two nodes owned the address ${report.twoOwners} times`] : []),
	];
	const lost = Object.entries(report.byOutcome).filter(([outcome]) => !/^[123]\d\d$/.test(outcome));
	return {
		figures,
		missed: [
			...missed,
			...(missed.length > 0 && (report.lateMs ?? 0) > tooLateMs
				? [`the sender itself was ${Math.round(report.lateMs ?? 0)} ms late: this machine has too much else to do`]
				: []),
			...(figures.lost <= (drill.bars.lost ?? figures.lost) ? [] : lost).map(
				([outcome, count]) => `${count} requests ended in ${outcome}`,
			),
		],
	};
}

/** Of all sides, when the load could tell. */
function failingMsOf({ sides }: DrillReport): number | undefined {
	return sides && Math.max(...Object.values(sides).map(({ failingMs }) => failingMs));
}

const rounded = (ms: number): number => Math.round(ms * 10) / 10;
