// Key sets that RequestAuthentications need -> fetched, kept fresh, kept when their issuer is down, and handed on when they
// change. The machine decides; here are the fetches, the timer, the disk and the counting.

import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { KeySets, NeededKeySet } from "../../snapshot/key-sets.ts";
import { type FetchParts, fetchKeySet } from "./fetch-key-set.ts";
import {
	defaultKeySetConfig,
	initialKeySetState,
	type KeySetAction,
	type KeySetConfig,
	type KeySetEvent,
	type KeySetState,
	stepKeySets,
} from "./key-set-machine.ts";
import type { KeySetStore } from "./key-set-store.ts";

export interface KeySetsOptions {
	/** Issuers on the control plane's own machine may be asked: for labs and tests. */
	readonly allowLoopback: boolean;
	readonly config?: KeySetConfig;
}

export interface KeySetsParts extends Omit<FetchParts, "clock"> {
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: Metrics;
	readonly store: KeySetStore;
	readonly onKeySets: (keySets: KeySets) => void;
	/** From 0 to 1; default Math.random. */
	readonly chance?: () => number;
}

export interface KeySetStatus {
	readonly needed: NeededKeySet;
	/** Since the keys in force were fetched; absent when there never were any. */
	readonly ageMs?: number;
	/** Fetches that failed since the last that did not. */
	readonly failures: number;
	/** Why the last one failed. */
	readonly because?: string;
	/** False until the first fetch has ended. */
	readonly tried: boolean;
}

export class KeySetsSource {
	readonly #options: KeySetsOptions;
	readonly #parts: KeySetsParts;
	readonly #counted: ReturnType<typeof keySetMetrics>;
	readonly #ended = new AbortController();
	readonly #waiting: (() => void)[] = [];
	#state: KeySetState;
	#timer: Cancel | undefined;

	constructor(options: KeySetsOptions, parts: KeySetsParts) {
		this.#options = options;
		this.#parts = parts;
		this.#counted = keySetMetrics(parts.metrics);
		this.#state = initialKeySetState(parts.store.load());
	}

	/** What was good before is handed on before this returns. */
	need(needed: readonly NeededKeySet[]): void {
		const { clock } = this.#parts;
		this.#step({ type: "neededChanged", needed, nowMs: clock.monotonicMs(), wallMs: clock.wallMs() });
	}

	/** By address. */
	status(): ReadonlyMap<string, KeySetStatus> {
		const nowMs = this.#parts.clock.wallMs();
		const all = new Map<string, KeySetStatus>();
		for (const [uri, { needed, good, failures, because, tried }] of this.#state.entries) {
			if (!needed) continue;
			const ageMs = good && Math.max(0, nowMs - good.fetchedWallMs);
			all.set(uri, {
				needed,
				...(ageMs !== undefined && { ageMs }),
				failures,
				...(because !== undefined && { because }),
				tried,
			});
		}
		return all;
	}

	/** A key set that is needed has no keys and was not asked for until now. */
	isFetchingFirst(): boolean {
		return !this.#isSettled();
	}

	/** Resolves when every key set that is needed now has keys or was asked for once, or after `maxMs`. */
	async firstTries(maxMs: number): Promise<void> {
		if (this.#isSettled()) return;
		const settled = Promise.withResolvers<void>();
		this.#waiting.push(settled.resolve);
		const cancel = this.#parts.clock.after(maxMs, settled.resolve);
		await settled.promise;
		cancel();
	}

	close(): void {
		this.#ended.abort();
		this.#timer?.();
		for (const resolve of this.#waiting.splice(0)) resolve();
	}

	#isSettled(): boolean {
		if (this.#ended.signal.aborted) return true;
		return [...this.#state.entries.values()].every(({ needed, good, tried }) => !needed || good || tried);
	}

	#step(event: KeySetEvent): void {
		if (this.#ended.signal.aborted) return;
		const { state, actions } = stepKeySets(this.#options.config ?? defaultKeySetConfig, this.#state, event);
		this.#state = state;
		for (const action of actions) this.#act(action);
		this.#count();
		if (this.#isSettled()) for (const resolve of this.#waiting.splice(0)) resolve();
	}

	#act(action: KeySetAction): void {
		const { clock, log, store, onKeySets } = this.#parts;
		switch (action.type) {
			case "fetch":
				void this.#fetch(action.needed);
				break;
			case "setTimer":
				this.#timer?.();
				this.#timer = clock.after(action.afterMs, () =>
					this.#step({ type: "timerExpired", nowMs: clock.monotonicMs() }),
				);
				break;
			case "store":
			case "forget":
				try {
					if (action.type === "store") store.save(action.uri, action.good);
					else store.forget(action.uri);
				} catch (error) {
					log.warn({ keySet: shownUri(action.uri), err: String(error) }, "key set is not kept on disk");
				}
				break;
			case "publish":
				onKeySets(action.keySets);
				break;
			default:
				action satisfies never;
		}
	}

	async #fetch(needed: NeededKeySet): Promise<void> {
		const { clock, log, chance = Math.random, onKeySets: _, ...parts } = this.#parts;
		const { uri, issuer } = needed;
		const rules = { allowLoopback: this.#options.allowLoopback };
		const outcome = await fetchKeySet(needed, rules, { ...parts, clock }, this.#ended.signal);
		if (this.#ended.signal.aborted) return;
		this.#counted.fetches.add(1, { outcome: outcome.ok ? "ok" : outcome.failure });
		const before = this.#state.entries.get(uri);
		const facts = { keySet: shownUri(uri), issuer };
		if (!outcome.ok && before?.because !== outcome.because) {
			log.warn({ ...facts, because: outcome.because, hasKeys: before?.good !== undefined }, "key set not fetched");
		}
		if (outcome.ok && before?.good?.keys !== outcome.keys) {
			log.info({ ...facts, keys: outcome.count, leftOut: outcome.leftOut.slice(0, 5) }, "key set fetched");
		}
		this.#step({
			type: "fetchEnded",
			uri,
			outcome,
			nowMs: clock.monotonicMs(),
			wallMs: clock.wallMs(),
			chance: chance(),
		});
	}

	#count(): void {
		const all = [...this.status().values()];
		const { keySets, age } = this.#counted;
		keySets.set(all.filter(({ ageMs, failures }) => ageMs !== undefined && failures === 0).length, { state: "fresh" });
		keySets.set(all.filter(({ ageMs, failures }) => ageMs !== undefined && failures > 0).length, { state: "stale" });
		keySets.set(all.filter(({ ageMs }) => ageMs === undefined).length, { state: "missing" });
		age.set(Math.max(0, ...all.map(({ ageMs }) => ageMs ?? 0)) / 1000);
	}
}

function keySetMetrics(metrics: Metrics) {
	return {
		fetches: metrics.counter("keepmesh_key_set_fetches_total", "Fetches of key sets of token issuers, by outcome.", [
			"outcome",
		]),
		keySets: metrics.gauge(
			"keepmesh_key_sets",
			"Key sets that rules need: fresh, stale (the last fetch failed) or missing (no keys yet, tokens are refused).",
			["state"],
		),
		age: metrics.gauge("keepmesh_key_set_oldest_age_seconds", "Age of the oldest key set in force, at the last event."),
	};
}

/** An address may hold a secret in its query. */
export function shownUri(uri: string): string {
	if (!URL.canParse(uri)) return uri.slice(0, 200).replace(/\?.*$/s, "");
	const url = new URL(uri);
	url.username = "";
	url.password = "";
	url.search = "";
	url.hash = "";
	return url.href;
}
