// Sends a load and notes every request, in a form that is short as JSON: for programs that tell another process what became of each.

import { monotonicUs } from "../../kernel/linux/monotonic-us.ts";
import { fullOutcome, type LoadRequest } from "../load/load-report.ts";
import { sendRequests } from "../load/send-load.ts";

export interface LoggedRequests {
	/** CLOCK_MONOTONIC. */
	readonly startUs: number;
	/** Each that came, once. */
	readonly outcomes: readonly string[];
	/** Due and end in milliseconds since the start, and the index of the outcome. */
	readonly requests: readonly (readonly [dueMs: number, endMs: number, outcome: number])[];
}

export async function sendLogged(load: LoadRequest, stop: AbortSignal): Promise<LoggedRequests> {
	const aheadUs = monotonicUs() - performance.now() * 1000;
	const { outcomes, startedMs } = await sendRequests(load, stop);
	const names = [...new Set(outcomes.map(fullOutcome))];
	const requests = outcomes.map((one) => [one.startMs, one.endMs, names.indexOf(fullOutcome(one))] as const);
	return { startUs: startedMs * 1000 + aheadUs, outcomes: names, requests };
}
