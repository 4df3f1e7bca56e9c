// Requests one by one, as a sender noted them, and what they say of a fault: what was lost, and for how long new requests failed.
// All times are microseconds of CLOCK_MONOTONIC, which every process of the machine shares.

import { isGood } from "../load/load-report.ts";

export interface SentRequest {
	/** When it was due by the schedule, not when the sender came to it. */
	readonly dueUs: number;
	readonly endUs: number;
	/** The status code, or why there was none: `ECONNREFUSED`, `timeout`. */
	readonly outcome: string;
}

/** What became of the requests that went one way: into a workload, out of it. */
export interface SideReport {
	readonly sent: number;
	readonly lost: number;
	/** From the fault to the moment when the last request that failed was due; 0 when none did. */
	readonly failingMs: number;
	/** Longest time between two good answers. */
	readonly gapMs: number;
	readonly byOutcome: Readonly<Record<string, number>>;
}

/** Only requests that were due from `fromUs` on count; without a fault `failingMs` counts from there as well. */
export function sideReport(
	requests: readonly SentRequest[],
	fromUs = requests[0]?.dueUs ?? 0,
	faultUs = fromUs,
): SideReport {
	const counted = requests.filter(({ dueUs }) => dueUs >= fromUs);
	const failed = counted.filter((one) => !isGood(one));
	const byOutcome: Record<string, number> = {};
	for (const { outcome } of counted) byOutcome[outcome] = (byOutcome[outcome] ?? 0) + 1;
	const lastUs = failed.reduce((last, { dueUs }) => Math.max(last, dueUs), faultUs);
	return {
		sent: counted.length,
		lost: failed.length,
		failingMs: (lastUs - faultUs) / 1000,
		gapMs: longestGapMs(counted, fromUs),
		byOutcome,
	};
}

/** Longest time without a good answer, from `fromUs` to when the last request was due. */
function longestGapMs(requests: readonly SentRequest[], fromUs: number): number {
	const untilUs = requests.at(-1)?.dueUs ?? fromUs;
	const ends = requests.filter((one) => isGood(one) && one.endUs < untilUs).map(({ endUs }) => endUs);
	const marks = [fromUs, ...ends.sort((a, b) => a - b), untilUs];
	return marks.slice(1).reduce((longest, mark, index) => Math.max(longest, mark - (marks[index] ?? mark)), 0) / 1000;
}
