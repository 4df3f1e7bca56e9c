// Holds the removal of most endpoints at once: a source that lost its sync, a directory that was emptied. Comes in: changes of
// endpoints as they arrive, and time. Goes out: what may pass. Everything that adds or changes an endpoint passes, and so does
// the removal of a pod that said before that it is ending.

import type { ObjectKey } from "../../resources/config-object.ts";
import { type Change, keyOfChange } from "../../snapshot/change.ts";

export interface EndpointGuardConfig {
	/** Meshes with so few pods, slices and workload entries may lose them all. */
	readonly minObjects: number;
	/** The share of them that may go within `windowMs`. */
	readonly maxRemovedShare: number;
	readonly windowMs: number;
	/** A removal that is still wanted after this time is let through: it was meant. */
	readonly holdMs: number;
}

export const defaultEndpointGuardConfig: EndpointGuardConfig = {
	minObjects: 20,
	maxRemovedShare: 0.5,
	windowMs: 5_000,
	holdMs: 30_000,
};

export interface EndpointGuardState {
	/** When each removal of the window passed. */
	readonly passedAtMs: readonly number[];
	readonly held: ReadonlyMap<ObjectKey, number>;
}

export const openEndpointGuard: EndpointGuardState = { passedAtMs: [], held: new Map() };

export type EndpointGuardEvent =
	/** `present`: objects of these kinds in force; `isEnding`: it said that it would go. */
	| {
			readonly type: "changed";
			readonly changes: readonly Change[];
			readonly present: number;
			readonly isEnding: (key: ObjectKey) => boolean;
			readonly nowMs: number;
	  }
	| { readonly type: "timerExpired"; readonly nowMs: number }
	/** The operator wants what is held. */
	| { readonly type: "confirmed" };

export interface EndpointGuardStep {
	readonly state: EndpointGuardState;
	readonly pass: readonly Change[];
	/** Wake the guard then; absent: nothing is held. */
	readonly wakeAfterMs?: number;
}

export function stepEndpointGuard(
	config: EndpointGuardConfig,
	state: EndpointGuardState,
	event: EndpointGuardEvent,
): EndpointGuardStep {
	switch (event.type) {
		case "changed":
			return onChanged(config, state, event);
		case "timerExpired": {
			const due = [...state.held].filter(([, sinceMs]) => event.nowMs - sinceMs >= config.holdMs).map(([key]) => key);
			const held = new Map([...state.held].filter(([key]) => !due.includes(key)));
			return withWake(config, { ...state, held }, due.map(removal), event.nowMs);
		}
		case "confirmed":
			return { state: openEndpointGuard, pass: [...state.held.keys()].map(removal) };
		default:
			return event satisfies never;
	}
}

function onChanged(
	config: EndpointGuardConfig,
	state: EndpointGuardState,
	{ changes, present, isEnding, nowMs }: Extract<EndpointGuardEvent, { type: "changed" }>,
): EndpointGuardStep {
	const held = new Map(state.held);
	const recent = state.passedAtMs.filter((atMs) => nowMs - atMs < config.windowMs);
	for (const change of changes) if (change.type === "objectApplied") held.delete(keyOfChange(change));
	const unannounced = changes.filter((change) => change.type === "objectRemoved" && !isEnding(change.key));
	// What went a moment ago was there when the window began.
	const had = present + recent.length;
	const gone = recent.length + unannounced.length + held.size;
	const isTooMuch = had > config.minObjects && gone > had * config.maxRemovedShare;
	if (isTooMuch) for (const change of unannounced) held.set(keyOfChange(change), nowMs);
	const pass = isTooMuch ? changes.filter((change) => !unannounced.includes(change)) : changes;
	const passedAtMs = isTooMuch ? recent : [...recent, ...unannounced.map(() => nowMs)];
	return withWake(config, { passedAtMs, held }, pass, nowMs);
}

function withWake(
	{ holdMs }: EndpointGuardConfig,
	state: EndpointGuardState,
	pass: readonly Change[],
	nowMs: number,
): EndpointGuardStep {
	if (state.held.size === 0) return { state, pass };
	return { state, pass, wakeAfterMs: Math.max(1, Math.min(...state.held.values()) + holdMs - nowMs) };
}

const removal = (key: ObjectKey): Change => ({ type: "objectRemoved", key });
