// Requests one by one, of all ways together -> what a sender would say of them. The gap is the longest of one way: together they
// would fill each other's.

import { type LoadReport, summarise } from "../load/load-report.ts";
import type { SentRequest, SideReport } from "./sent-requests.ts";

export function loggedReport(
	requests: readonly SentRequest[],
	sides: Readonly<Record<string, SideReport>>,
): LoadReport & { readonly sides: Readonly<Record<string, SideReport>> } {
	const firstUs = Math.min(...requests.map(({ dueUs }) => dueUs));
	const lastUs = Math.max(...requests.map(({ endUs }) => endUs));
	const inMs = (us: number): number => (us - firstUs) / 1000;
	const outcomes = requests.map(({ dueUs, endUs, outcome }) => ({
		startMs: inMs(dueUs),
		endMs: inMs(endUs),
		outcome,
		version: "none",
	}));
	return {
		...summarise(outcomes, inMs(lastUs)),
		longestGapMs: Math.max(...Object.values(sides).map(({ gapMs }) => gapMs)),
		sides,
	};
}
