// What a drill is: something is broken or replaced for real while requests flow, and figures say what the callers noticed.

import type { DrillLoad, DrillMesh } from "./drill-mesh.ts";
import type { SideReport } from "./sent-requests.ts";

/** One run, as `--json` prints it. Null where a figure has no meaning. */
export interface DrillFigures {
	readonly drill: string;
	/** From 1. */
	readonly run: number;
	readonly sent: number;
	/** Requests without a good answer. */
	readonly lost: number;
	/** Longest time between two good answers. */
	readonly gapMaxMs: number;
	/** From the fault to the first sign that it was noticed. */
	readonly detectMs: number | null;
	/** From the fault to all being well again, or to the end of what was asked for. */
	readonly convergeMs: number | null;
	/** From the repair to things being as they were before the fault. */
	readonly restoreMs: number | null;
	/** What must never happen: requests that were accepted in plaintext under STRICT, two owners of one address, ... */
	readonly wrong: number;
	/** `gapMaxMs` of the run without a fault that came first. */
	readonly baselineGapMs: number | null;
	/** Of loads that go several ways, each by itself: `inbound`, `outbound`. */
	readonly sides?: Readonly<Record<string, SideReport>>;
}

/** The most that may be; absent: any. */
export interface DrillBars {
	readonly lost?: number;
	readonly gapMaxMs?: number;
	readonly detectMs?: number;
	readonly convergeMs?: number;
	readonly restoreMs?: number;
	readonly wrong?: number;
}

/** What the drill itself measured. */
export interface DrillFindings {
	readonly detectMs?: number;
	readonly convergeMs?: number;
	readonly restoreMs?: number;
	/** Beside what the load counts. */
	readonly wrong?: number;
}

export interface Drill {
	readonly name: string;
	/** One line of help. */
	readonly summary: string;
	readonly bars: DrillBars;
	/** For the median of all runs, when there are at least five. */
	readonly medianBars?: DrillBars;
	/** Default mesh. */
	readonly load?: DrillLoad;
	/** Does it, and resolves when it is over; the load runs before, meanwhile and after. Rejects when it could not be done. */
	readonly inject: (mesh: DrillMesh) => Promise<DrillFindings>;
}

/** Each bar that was missed, in words. */
export function missedBars(figures: DrillFigures, bars: DrillBars): readonly string[] {
	return Object.entries(bars).flatMap(([name, most]) => {
		const value = figures[name as keyof DrillBars];
		if (value === null) return [`${name} was not measured, and may be at most ${most}`];
		return value > most ? [`${name} is ${Math.round(value * 10) / 10}, and may be at most ${most}`] : [];
	});
}

const leastRunsForMedian = 5;

/** The same for the median of a drill's runs; nothing of too few. */
export function missedMedianBars(runs: readonly DrillFigures[], bars: DrillBars = {}): readonly string[] {
	if (runs.length < leastRunsForMedian) return [];
	return Object.entries(bars).flatMap(([name, most]) => {
		const values = runs.map((figures) => figures[name as keyof DrillBars] ?? Number.POSITIVE_INFINITY);
		const median = values.sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.POSITIVE_INFINITY;
		return median > most
			? [`the median of ${name} is ${Math.round(median * 10) / 10}, and may be at most ${most}`]
			: [];
	});
}
