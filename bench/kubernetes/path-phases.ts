// What became of the requests in each part of a fault. In: requests of both sides, and when each part began. Out: for each part and side
// how many were lost, when and why, and for how long nothing was answered.

import { type SentRequest, type SideReport, sideReport } from "../../src/lab/drill/sent-requests.ts";
import { isGood } from "../../src/lab/load/load-report.ts";
import type { Side } from "./path-load.ts";

export interface Phase {
	readonly name: string;
	/** CLOCK_MONOTONIC. */
	readonly atUs: number;
}

export interface PhaseReport extends SideReport {
	readonly phase: string;
	readonly side: Side;
	/** `+1234 ms ECONNRESET after 3 ms`, in the order in which they were due. */
	readonly losses: readonly string[];
}

/** A request belongs to the part that it was due in; those before the first part to none. */
export function reportPhases(
	phases: readonly Phase[],
	sent: ReadonlyMap<Side, readonly SentRequest[]>,
): readonly PhaseReport[] {
	return phases.flatMap(({ name, atUs }, index) => {
		const untilUs = phases[index + 1]?.atUs ?? Number.POSITIVE_INFINITY;
		return [...sent].map(([side, requests]) => {
			const own = requests.filter(({ dueUs }) => dueUs >= atUs && dueUs < untilUs);
			return { phase: name, side, ...sideReport(own, atUs), losses: lossesOf(own, atUs) };
		});
	});
}

function lossesOf(requests: readonly SentRequest[], atUs: number): readonly string[] {
	const ms = (us: number): string => `${Math.round(us / 1000)} ms`;
	return requests
		.filter((request) => !isGood(request))
		.map(({ dueUs, endUs, outcome }) => `+${ms(dueUs - atUs)} ${outcome} after ${ms(endUs - dueUs)}`);
}
