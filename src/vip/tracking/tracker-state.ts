// What is known of one tracker: a result comes in, counted by rise and fall; files have a value instead.

import { carryRiseFall, countResult, type RiseFallState, startRiseFall } from "../../health/rise-fall.ts";
import type { TrackerConfig } from "../vip-config.ts";

export interface TrackerState {
	readonly health: RiseFallState;
	/** Of a file. */
	readonly value?: number;
	/** What the result that decided said. */
	readonly because: string;
	/** Of the last result, which need not have changed anything. */
	readonly lastOk?: boolean;
	readonly lastBecause?: string;
	/** Why it will never have a result: it counts for nothing, as keepalived takes such a tracker off. */
	readonly refused?: string;
	/** When it became what it is. */
	readonly sinceUs: number;
}

/** A result of a check: good or not and why; of a file its number. */
export interface TrackerResult {
	readonly ok: boolean;
	readonly because: string;
	readonly value?: number;
}

export function startTracker(tracker: TrackerConfig, nowUs: number): TrackerState {
	const because = tracker.startsFailed ? "starts as failed" : "no result yet";
	return { health: startRiseFall(tracker), because, sinceUs: nowUs };
}

export function takeResult(
	tracker: TrackerConfig,
	state: TrackerState,
	result: TrackerResult,
	nowUs: number,
): { readonly state: TrackerState; readonly changed: boolean } {
	const last = { lastOk: result.ok, lastBecause: result.because };
	if (tracker.check.type === "file") {
		const value = result.value ?? 0;
		const health: RiseFallState = { status: result.ok ? "up" : "down", result: result.ok ? 1 : 0, run: 0 };
		const changed = state.health.status === "unknown" || state.value !== value;
		if (!changed) return { state: { ...state, ...last }, changed };
		return { state: { health, value, because: result.because, ...last, sinceUs: nowUs }, changed };
	}
	const health = countResult(tracker, state.health, result.ok);
	const changed = health.status !== state.health.status;
	if (changed) return { state: { health, because: result.because, ...last, sinceUs: nowUs }, changed };
	if (health === state.health && last.lastOk === state.lastOk && last.lastBecause === state.lastBecause)
		return { state, changed };
	return { state: { ...state, health, ...last }, changed };
}

/** After a reload: the state stays, unless it is another check that has the name now. */
export function carryTracker(
	before: TrackerConfig | undefined,
	state: TrackerState | undefined,
	tracker: TrackerConfig,
	nowUs: number,
): TrackerState {
	if (!before || !state || !sameSubject(before, tracker)) return startTracker(tracker, nowUs);
	if (before.rise === tracker.rise && before.fall === tracker.fall) return state;
	return { ...state, health: carryRiseFall(tracker, state.health) };
}

/** keepalived keeps the state of a script by its name; another kind of check, or another target, starts anew. */
function sameSubject(before: TrackerConfig, now: TrackerConfig): boolean {
	const a = before.check;
	const b = now.check;
	if (a.type === "script" || b.type === "script") return a.type === b.type;
	return JSON.stringify(a) === JSON.stringify(b);
}
