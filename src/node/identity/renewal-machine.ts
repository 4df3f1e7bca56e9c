// When one certificate is asked for: at once while there is none, at half its life, when it should come from another issuer,
// and again, soon and then later, while nobody signs. Wall clocks jump, so age is also counted on the monotonic clock, and
// everything is looked at anew at least every minute. In: events with the time. Out: what to do now and when to look again.

import { planRotation, retryDelayMs } from "../../identity/rotation-plan.ts";

export interface Now {
	readonly wallMs: number;
	readonly monotonicMs: number;
	/** In [0, 1). */
	readonly random: number;
}

export interface CertificateTimes {
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	readonly issuerKeyId: string;
}

interface Held extends CertificateTimes {
	readonly renewAtMs: number;
	readonly alarmAtMs: number;
	/** Its age when it was taken, and when that was. */
	readonly ageThenMs: number;
	readonly takenMonotonicMs: number;
}

export interface RenewalState {
	readonly held?: Held;
	/** The issuer that it should come from; absent: any. */
	readonly wantedIssuer?: string;
	/** Another is wanted whatever this one's age. */
	readonly wanted: boolean;
	readonly asking: boolean;
	/** Attempts in a row that brought no certificate that is as it should be. */
	readonly failures: number;
	/** On the monotonic clock; not before that. */
	readonly retryAtMs?: number;
	readonly alarmed: boolean;
}

export type RenewalEvent =
	/** From disk. */
	| { readonly type: "loaded"; readonly times: CertificateTimes; readonly now: Now }
	| { readonly type: "succeeded"; readonly times: CertificateTimes; readonly now: Now }
	| { readonly type: "failed"; readonly now: Now }
	| { readonly type: "issuerWanted"; readonly issuerKeyId: string; readonly now: Now }
	/** There is a reason outside to have another one now. */
	| { readonly type: "renewalWanted"; readonly now: Now }
	/** Why it failed may be over: what waits for another attempt does not wait. */
	| { readonly type: "nudged"; readonly now: Now }
	| { readonly type: "looked"; readonly now: Now };

export type RenewalAction =
	| { readonly type: "ask" }
	| { readonly type: "lookAgain"; readonly inMs: number }
	/** A fifth or less of its life is left. */
	| { readonly type: "alarm"; readonly leftMs: number }
	| { readonly type: "endAlarm" };

export interface RenewalStep {
	readonly state: RenewalState;
	readonly actions: readonly RenewalAction[];
}

const lookEveryMs = 60_000;
/** Issuers date certificates back by minutes: one that begins later than this from now shows a clock that is wrong. */
const clockToleranceMs = 30_000;
/** With a wrong clock the next certificate is no better: ask for others, but seldom. */
const wrongClockRetryMs = 600_000;

export function openRenewal(): RenewalState {
	return { wanted: false, asking: false, failures: 0, alarmed: false };
}

export function stepRenewal(state: RenewalState, event: RenewalEvent): RenewalStep {
	return settle(onEvent(state, event), event.now);
}

function onEvent(state: RenewalState, event: RenewalEvent): RenewalState {
	switch (event.type) {
		case "loaded":
			return { ...state, held: hold(event.times, event.now) };
		case "succeeded": {
			const { retryAtMs: _, ...rest } = state;
			const next = { ...rest, wanted: false, asking: false, held: hold(event.times, event.now) };
			const again = reasonToAsk(next, event.now);
			if (again === undefined) return { ...next, failures: 0 };
			return waiting({ ...next, failures: state.failures + 1 }, again, event.now);
		}
		case "failed":
			return waiting({ ...state, asking: false, failures: state.failures + 1 }, undefined, event.now);
		case "issuerWanted": {
			if (state.wantedIssuer === event.issuerKeyId) return state;
			const { retryAtMs: _, ...rest } = state;
			return { ...rest, wantedIssuer: event.issuerKeyId };
		}
		case "renewalWanted":
		case "nudged": {
			const { retryAtMs: _, ...rest } = state;
			return { ...rest, failures: 0, wanted: state.wanted || event.type === "renewalWanted" };
		}
		case "looked":
			return state;
		default:
			return event satisfies never;
	}
}

function settle(state: RenewalState, now: Now): RenewalStep {
	const actions: RenewalAction[] = [];
	let next = state;
	const { held, retryAtMs } = state;
	const isAlarming = held !== undefined && ageOf(held, now) >= held.alarmAtMs - held.notBeforeMs;
	if (isAlarming !== state.alarmed) {
		next = { ...next, alarmed: isAlarming };
		actions.push(isAlarming ? { type: "alarm", leftMs: leftOf(held, now) } : { type: "endAlarm" });
	}
	const mayAsk = !state.asking && (retryAtMs === undefined || now.monotonicMs >= retryAtMs);
	if (mayAsk && reasonToAsk(state, now) !== undefined) {
		next = { ...next, asking: true };
		actions.push({ type: "ask" });
	}
	actions.push({ type: "lookAgain", inMs: lookAgainIn(next, now) });
	return { state: next, actions };
}

type Reason = "none" | "wanted" | "age" | "issuer" | "clock";

function reasonToAsk({ held, wanted, wantedIssuer }: RenewalState, now: Now): Reason | undefined {
	if (!held) return "none";
	if (wanted) return "wanted";
	if (ageOf(held, now) >= held.renewAtMs - held.notBeforeMs) return "age";
	if (wantedIssuer !== undefined && wantedIssuer !== held.issuerKeyId) return "issuer";
	return now.wallMs < held.notBeforeMs - clockToleranceMs ? "clock" : undefined;
}

/** First retries come fast: of a new pod the control plane may hear a moment later than its node. */
function waiting(state: RenewalState, reason: Reason | undefined, now: Now): RenewalState {
	const delayMs = reason === "clock" ? wrongClockRetryMs : retryDelayMs(state.failures, now.random);
	return { ...state, retryAtMs: now.monotonicMs + delayMs };
}

function lookAgainIn({ held, asking, retryAtMs }: RenewalState, now: Now): number {
	const dueIn: number[] = [lookEveryMs];
	if (!asking && retryAtMs !== undefined && retryAtMs > now.monotonicMs) dueIn.push(retryAtMs - now.monotonicMs);
	if (held)
		for (const momentMs of [held.renewAtMs, held.alarmAtMs]) {
			const inMs = momentMs - held.notBeforeMs - ageOf(held, now);
			if (inMs > 0) dueIn.push(inMs);
		}
	return Math.max(1, Math.ceil(Math.min(...dueIn)));
}

function hold(times: CertificateTimes, now: Now): Held {
	return {
		...times,
		...planRotation(times.notBeforeMs, times.notAfterMs, now.random),
		ageThenMs: Math.max(0, now.wallMs - times.notBeforeMs),
		takenMonotonicMs: now.monotonicMs,
	};
}

/** A wall clock that is set back does not make it younger. */
function ageOf(held: Held, now: Now): number {
	return Math.max(now.wallMs - held.notBeforeMs, held.ageThenMs + now.monotonicMs - held.takenMonotonicMs);
}

function leftOf(held: Held, now: Now): number {
	return held.notAfterMs - held.notBeforeMs - ageOf(held, now);
}
