// Which key sets are wanted, what fetching them gave, and time -> what to fetch now, when to look again, what is known. Pure.
// What was good once stays until it is replaced: an issuer that is down costs nobody anything but new keys.

import type { KeySets, NeededKeySet } from "../../snapshot/key-sets.ts";

export interface KeySetConfig {
	/** After a success. Istio's PILOT_JWT_PUB_KEY_REFRESH_INTERVAL, 20 minutes. */
	readonly refreshMs: number;
	/** After the first failure; doubles with each further one. */
	readonly firstRetryMs: number;
	readonly maxRetryMs: number;
	/** Part of each wait that chance takes away, so that replicas and issuers do not move in step. */
	readonly jitter: number;
	readonly maxConcurrent: number;
	/** Key sets that nobody needs any more are kept for this long, in case a rule comes back. */
	readonly keepUnneededMs: number;
	readonly maxUnneeded: number;
}

export const defaultKeySetConfig: KeySetConfig = {
	refreshMs: 20 * 60_000,
	firstRetryMs: 1000,
	maxRetryMs: 60_000,
	jitter: 0.1,
	maxConcurrent: 16,
	keepUnneededMs: 7 * 24 * 3_600_000,
	maxUnneeded: 200,
};

export interface GoodKeySet {
	readonly keys: string;
	readonly fetchedWallMs: number;
}

export interface KeySetEntry {
	/** Undefined: nothing asks for it any more. */
	readonly needed?: NeededKeySet;
	readonly good?: GoodKeySet;
	/** Since the last success; 0 after one. */
	readonly failures: number;
	/** Why the last try failed. */
	readonly because?: string;
	/** It was tried at least once since it is needed. */
	readonly tried: boolean;
	readonly phase: { readonly type: "waiting"; readonly dueMs: number } | { readonly type: "fetching" };
}

export interface KeySetState {
	readonly entries: ReadonlyMap<string, KeySetEntry>;
}

export type KeySetEvent =
	| {
			readonly type: "neededChanged";
			readonly needed: readonly NeededKeySet[];
			readonly nowMs: number;
			readonly wallMs: number;
	  }
	| {
			readonly type: "fetchEnded";
			readonly uri: string;
			readonly outcome: { readonly ok: true; readonly keys: string } | { readonly ok: false; readonly because: string };
			readonly nowMs: number;
			readonly wallMs: number;
			/** From 0 to 1. */
			readonly chance: number;
	  }
	| { readonly type: "timerExpired"; readonly nowMs: number };

export type KeySetAction =
	| { readonly type: "fetch"; readonly needed: NeededKeySet }
	/** Replaces the timer that is armed. */
	| { readonly type: "setTimer"; readonly afterMs: number }
	| { readonly type: "store"; readonly uri: string; readonly good: GoodKeySet }
	| { readonly type: "forget"; readonly uri: string }
	/** All that is known of what is needed. */
	| { readonly type: "publish"; readonly keySets: KeySets };

export interface KeySetStep {
	readonly state: KeySetState;
	readonly actions: readonly KeySetAction[];
}

/** Begins with what was good before a restart. It is asked for again as soon as it is needed. */
export function initialKeySetState(stored: ReadonlyMap<string, GoodKeySet>): KeySetState {
	return {
		entries: new Map(
			[...stored].map(([uri, good]) => [
				uri,
				{ good, failures: 0, tried: false, phase: { type: "waiting", dueMs: 0 } } satisfies KeySetEntry,
			]),
		),
	};
}

export function stepKeySets(config: KeySetConfig, state: KeySetState, event: KeySetEvent): KeySetStep {
	switch (event.type) {
		case "neededChanged": {
			const { entries, forgotten } = withNeeded(config, state.entries, event);
			const forget = forgotten.map((uri): KeySetAction => ({ type: "forget", uri }));
			const publish: readonly KeySetAction[] = sameKeySets(known(state.entries), known(entries))
				? []
				: [{ type: "publish", keySets: known(entries) }];
			return started(config, entries, event.nowMs, [...forget, ...publish]);
		}
		case "fetchEnded":
			return ended(config, state, event);
		case "timerExpired":
			return started(config, state.entries, event.nowMs, []);
		default:
			return event satisfies never;
	}
}

function withNeeded(
	config: KeySetConfig,
	before: ReadonlyMap<string, KeySetEntry>,
	{ needed, nowMs, wallMs }: Extract<KeySetEvent, { type: "neededChanged" }>,
): { readonly entries: ReadonlyMap<string, KeySetEntry>; readonly forgotten: readonly string[] } {
	const wanted = new Map(needed.map((one) => [one.uri, one]));
	const entries = new Map<string, KeySetEntry>();
	for (const [uri, one] of wanted) {
		const entry = before.get(uri);
		if (entry?.needed) entries.set(uri, { ...entry, needed: one });
		else {
			const phase = entry?.phase.type === "fetching" ? entry.phase : ({ type: "waiting", dueMs: nowMs } as const);
			entries.set(uri, { ...(entry?.good && { good: entry.good }), needed: one, failures: 0, tried: false, phase });
		}
	}
	const unneeded = [...before]
		.filter(([uri]) => !wanted.has(uri))
		.sort(([, a], [, b]) => (b.good?.fetchedWallMs ?? 0) - (a.good?.fetchedWallMs ?? 0));
	const forgotten: string[] = [];
	let kept = 0;
	for (const [uri, { needed: _, ...entry }] of unneeded) {
		const isFresh = entry.good !== undefined && wallMs - entry.good.fetchedWallMs < config.keepUnneededMs;
		if (isFresh && kept < config.maxUnneeded) {
			entries.set(uri, entry);
			kept++;
			continue;
		}
		if (entry.good) forgotten.push(uri);
		// Stays until its fetch ends, so that nothing is fetched twice at once.
		if (entry.phase.type === "fetching") {
			const { good: _, ...bare } = entry;
			entries.set(uri, bare);
		}
	}
	return { entries, forgotten };
}

function ended(
	config: KeySetConfig,
	state: KeySetState,
	{ uri, outcome, nowMs, wallMs, chance }: Extract<KeySetEvent, { type: "fetchEnded" }>,
): KeySetStep {
	const entry = state.entries.get(uri);
	if (!entry) return started(config, state.entries, nowMs, []);
	const { because: _, ...rest } = entry;
	const wait = (ms: number) => ({ type: "waiting", dueMs: nowMs + ms * (1 - config.jitter * chance) }) as const;
	if (!outcome.ok) {
		const failures = entry.failures + 1;
		const phase = wait(Math.min(config.maxRetryMs, config.firstRetryMs * 2 ** Math.min(failures - 1, 30)));
		const failed: KeySetEntry = { ...rest, failures, because: outcome.because, tried: true, phase };
		return started(config, new Map(state.entries).set(uri, failed), nowMs, []);
	}
	const good: GoodKeySet = { keys: outcome.keys, fetchedWallMs: wallMs };
	const fetched: KeySetEntry = { ...rest, good, failures: 0, tried: true, phase: wait(config.refreshMs) };
	const entries = new Map(state.entries).set(uri, fetched);
	const isNew = entry.needed !== undefined && entry.good?.keys !== good.keys;
	const publish: readonly KeySetAction[] = isNew ? [{ type: "publish", keySets: known(entries) }] : [];
	return started(config, entries, nowMs, [{ type: "store", uri, good }, ...publish]);
}

/**
 * Starts what is due, as many as may run at once, and arms the timer for the next. Those that fail go last: issuers that
 * hang, however many somebody names, hold up nobody but each other.
 */
function started(
	config: KeySetConfig,
	before: ReadonlyMap<string, KeySetEntry>,
	nowMs: number,
	actions: readonly KeySetAction[],
): KeySetStep {
	const waiting = [...before].flatMap(([uri, { needed, phase, failures }]) =>
		needed && phase.type === "waiting" ? [{ uri, needed, failures, dueMs: phase.dueMs }] : [],
	);
	const due = waiting
		.filter(({ dueMs }) => dueMs <= nowMs)
		.sort((a, b) => a.failures - b.failures || a.dueMs - b.dueMs);
	const running = [...before.values()].filter(({ phase }) => phase.type === "fetching").length;
	const entries = new Map(before);
	const fetches: KeySetAction[] = [];
	for (const { uri, needed } of due.slice(0, Math.max(0, config.maxConcurrent - running))) {
		const entry = before.get(uri);
		if (entry) entries.set(uri, { ...entry, phase: { type: "fetching" } });
		fetches.push({ type: "fetch", needed });
	}
	const later = waiting.map(({ dueMs }) => dueMs).filter((dueMs) => dueMs > nowMs);
	const timer: readonly KeySetAction[] =
		later.length === 0
			? []
			: [{ type: "setTimer", afterMs: later.reduce((soonest, dueMs) => Math.min(soonest, dueMs)) - nowMs }];
	return { state: { entries }, actions: [...actions, ...fetches, ...timer] };
}

function known(entries: ReadonlyMap<string, KeySetEntry>): KeySets {
	const keySets = new Map<string, string>();
	for (const [uri, { needed, good }] of entries) if (needed && good) keySets.set(uri, good.keys);
	return keySets;
}

function sameKeySets(a: KeySets, b: KeySets): boolean {
	return a.size === b.size && [...a].every(([uri, keys]) => b.get(uri) === keys);
}
