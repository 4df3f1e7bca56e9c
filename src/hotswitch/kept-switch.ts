// What a switch must still know after the agent was ended, as JSON: a bypass above all. In: the state of the switch, whose times
// are of a monotonic clock, and what that clock and the wall clock say now. Out: text with times since the epoch; and back, where
// anything that is not such a record is nothing. A clock that was set back does not make a time come true in the future.

import { type ServingStep, servingSteps } from "./serving-step.ts";
import type { Bypass, KeptSwitch, SwitchCause } from "./switch-state.ts";

/** Both of the same moment. */
export interface ClockReading {
	readonly monotonicMs: number;
	readonly wallMs: number;
}

const maxFailures = 100;

export function encodeKeptSwitch(kept: KeptSwitch, { monotonicMs, wallMs }: ClockReading): string {
	const wall = (atMs: number): number => Math.round(wallMs - (monotonicMs - atMs));
	const { bypass, sinceMs, failuresAtMs, ...rest } = kept;
	const record = {
		version: 1,
		...rest,
		since: wall(sinceMs),
		failures: failuresAtMs.slice(-maxFailures).map(wall),
		...(bypass
			? {
					bypass: {
						by: bypass.by,
						why: bypass.why,
						at: wall(bypass.atMs),
						...(bypass.untilMs === undefined ? {} : { until: wall(bypass.untilMs) }),
					},
				}
			: {}),
	};
	return `${JSON.stringify(record)}\n`;
}

/** Undefined for what is no record. */
export function decodeKeptSwitch(text: string, { monotonicMs, wallMs }: ClockReading): KeptSwitch | undefined {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return undefined;
	}
	if (typeof value !== "object" || value === null) return undefined;
	const fields = value as Readonly<Record<string, unknown>>;
	const { version, servingStep, since, cause, because, begun, failures, directSpent } = fields;
	const isKnownStep = servingSteps.includes(servingStep as ServingStep);
	if (version !== 1 || !isKnownStep || !isTime(since) || typeof cause !== "string" || typeof because !== "string")
		return undefined;
	if (typeof begun !== "boolean" || typeof directSpent !== "boolean") return undefined;
	if (!Array.isArray(failures) || failures.length > maxFailures || !failures.every(isTime)) return undefined;
	const monotonic = (atMs: number): number => monotonicMs - (wallMs - atMs);
	const past = (atMs: number): number => Math.min(monotonicMs, monotonic(atMs));
	const bypass = bypassOf(fields.bypass, past, monotonic);
	if (bypass === "unreadable") return undefined;
	return {
		servingStep: servingStep as ServingStep,
		sinceMs: past(since),
		cause: cause as SwitchCause,
		because,
		begun,
		directSpent,
		failuresAtMs: failures.map(past),
		...(bypass ? { bypass } : {}),
	};
}

function bypassOf(
	value: unknown,
	past: (atMs: number) => number,
	monotonic: (atMs: number) => number,
): Bypass | undefined | "unreadable" {
	if (value === undefined) return undefined;
	if (typeof value !== "object" || value === null) return "unreadable";
	const { by, why, at, until } = value as Readonly<Record<string, unknown>>;
	if (typeof by !== "string" || typeof why !== "string" || !isTime(at)) return "unreadable";
	if (until !== undefined && !isTime(until)) return "unreadable";
	return { by, why, atMs: past(at), ...(until === undefined ? {} : { untilMs: monotonic(until) }) };
}

function isTime(value: unknown): value is number {
	return typeof value === "number" && Number.isFinite(value);
}
