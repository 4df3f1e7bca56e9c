// Which statuses are to be written now, so that a mesh in motion is no storm of writes for the API server. In: what is known of the
// resources, what stands in the API, what became of writes, and the time. Out: the next writes, and when to ask again.
//
// A status is written when it differs from what stands there and has been still for a while. What a person waits for (accepted or
// not, in force or not, why) goes first and faster; numbers of proxies alone, which change with every Pod, are written slowly.

import { type FateKey, keyOfFate, type ResourceFate } from "./resource-fate.ts";
import { differsInCounts, type ResourceStatus, resourceStatusOf, wordsOf } from "./resource-status.ts";

export interface StatusPace {
	/** For so long a status must be the same before it is written. */
	readonly settleMs: number;
	/** One that never is the same is written after so long all the same. */
	readonly maxWaitMs: number;
	/** Writes in a second, and so many at once after a rest. */
	readonly perSecond: number;
	readonly burst: number;
	/** The same for writes that only change numbers. */
	readonly countsPerSecond: number;
	readonly countsBurst: number;
	/** Longer than it takes proxies to confirm a change: that they do not have it yet for a moment is not worth a write. */
	readonly countsSettleMs: number;
	readonly countsMaxWaitMs: number;
	/** Between two writes of one resource that only change numbers. */
	readonly countsEveryMs: number;
	/** Writes under way at one time. */
	readonly atOnce: number;
	/** After a failed write of a resource, doubled each time up to the second. */
	readonly retryMs: number;
	readonly maxRetryMs: number;
}

export const defaultStatusPace: StatusPace = {
	settleMs: 500,
	maxWaitMs: 3000,
	perSecond: 50,
	burst: 100,
	countsPerSecond: 20,
	countsBurst: 40,
	countsSettleMs: 3_000,
	countsMaxWaitMs: 15_000,
	countsEveryMs: 5_000,
	atOnce: 4,
	retryMs: 1000,
	maxRetryMs: 60_000,
};

export interface StatusWrite {
	readonly key: FateKey;
	readonly fate: ResourceFate;
	readonly status: ResourceStatus;
}

export type WriteOutcome = "written" | "failed";

interface Entry {
	fate: ResourceFate;
	wanted: ResourceStatus;
	wantedWords: string;
	/** What stands in the API; undefined: nothing of ours. */
	written: ResourceStatus | undefined;
	writtenWords: string | undefined;
	/** When it began to differ from what is written; undefined: it does not. */
	differsSinceMs: number | undefined;
	/** When what is wanted changed last. */
	changedMs: number;
	writtenMs: number;
	notBeforeMs: number;
	failures: number;
	underWay: ResourceStatus | undefined;
}

interface Bucket {
	tokens: number;
	atMs: number;
}

export class StatusLedger {
	readonly #pace: StatusPace;
	readonly #entries = new Map<FateKey, Entry>();
	readonly #urgent: Bucket;
	readonly #counts: Bucket;
	#underWay = 0;

	constructor(pace: StatusPace, nowMs: number) {
		this.#pace = pace;
		this.#urgent = { tokens: pace.burst, atMs: nowMs };
		this.#counts = { tokens: pace.countsBurst, atMs: nowMs };
	}

	/** How many resources have a status that is not written yet. */
	get waiting(): number {
		return [...this.#entries.values()].filter(({ differsSinceMs }) => differsSinceMs !== undefined).length;
	}

	/** Everything that is known now: resources that are not among them are gone. `now`: RFC 3339. */
	want(fates: Iterable<ResourceFate>, nowMs: number, now: string): void {
		const keys = new Set<FateKey>();
		for (const fate of fates) {
			const key = keyOfFate(fate);
			keys.add(key);
			this.#wantOne(key, fate, nowMs, now);
		}
		for (const [key, { underWay }] of this.#entries)
			if (!keys.has(key) && underWay === undefined) this.#entries.delete(key);
	}

	#wantOne(key: FateKey, fate: ResourceFate, nowMs: number, now: string): void {
		const known = this.#entries.get(key);
		if (known === undefined || known.fate.uid !== fate.uid) {
			// One that was deleted and made again has no status yet.
			this.#entries.set(key, newEntry(fate, resourceStatusOf(fate, [], now), nowMs));
			return;
		}
		const { wanted, written } = known;
		known.fate = fate;
		known.wanted = resourceStatusOf(fate, written ? [written, wanted] : [wanted], now);
		const words = wordsOf(known.wanted);
		if (words !== known.wantedWords) known.changedMs = nowMs;
		known.wantedWords = words;
		compare(known, nowMs);
	}

	/** What the API has, as a list of it says; `status` undefined: nothing of ours. Resources that nobody wants are not looked at. */
	stands(key: FateKey, status: ResourceStatus | undefined, nowMs: number): void {
		const entry = this.#entries.get(key);
		if (entry === undefined || entry.underWay !== undefined) return;
		setWritten(entry, status);
		// The times of conditions are those that stand there.
		if (status) entry.wanted = resourceStatusOf(entry.fate, [status, entry.wanted], sinceOf(entry.wanted));
		compare(entry, nowMs);
	}

	/** The writes to begin now; `nextMs`: when there may be more without anything else happening, undefined: never. */
	next(nowMs: number): { readonly writes: readonly StatusWrite[]; readonly nextMs: number | undefined } {
		this.#refill(nowMs);
		const writes: StatusWrite[] = [];
		let nextMs: number | undefined;
		const later = (atMs: number): void => {
			nextMs = Math.min(nextMs ?? Number.POSITIVE_INFINITY, Math.max(atMs, nowMs + 1));
		};
		const waiting = [...this.#entries].filter(([, entry]) => entry.differsSinceMs !== undefined && !entry.underWay);
		waiting.sort(([, a], [, b]) => (a.differsSinceMs ?? 0) - (b.differsSinceMs ?? 0));
		const lanes = Map.groupBy(waiting, ([, entry]) => (isCountsOnly(entry) ? "counts" : "urgent"));
		for (const lane of ["urgent", "counts"] as const) {
			const bucket = lane === "urgent" ? this.#urgent : this.#counts;
			const perSecond = lane === "urgent" ? this.#pace.perSecond : this.#pace.countsPerSecond;
			for (const [key, entry] of lanes.get(lane) ?? []) {
				const dueMs = this.#dueMs(entry, lane);
				if (dueMs > nowMs) {
					later(dueMs);
					continue;
				}
				// A write that ends brings the question here again.
				if (this.#underWay >= this.#pace.atOnce) return { writes, nextMs };
				if (bucket.tokens < 1) {
					later(nowMs + ((1 - bucket.tokens) / perSecond) * 1000);
					break;
				}
				bucket.tokens--;
				this.#underWay++;
				entry.underWay = entry.wanted;
				writes.push({ key, fate: entry.fate, status: entry.wanted });
			}
		}
		return { writes, nextMs };
	}

	#dueMs(entry: Entry, lane: "urgent" | "counts"): number {
		const pace = this.#pace;
		const [settleMs, maxWaitMs, againMs] =
			lane === "urgent"
				? [pace.settleMs, pace.maxWaitMs, 0]
				: [pace.countsSettleMs, pace.countsMaxWaitMs, entry.writtenMs + pace.countsEveryMs];
		const sinceMs = entry.differsSinceMs ?? 0;
		const stillMs = Math.min(Math.max(entry.changedMs, sinceMs) + settleMs, sinceMs + maxWaitMs);
		return Math.max(stillMs, againMs, entry.notBeforeMs);
	}

	/** A write that `next` gave has ended. */
	ended(key: FateKey, outcome: WriteOutcome, nowMs: number): void {
		this.#underWay--;
		const entry = this.#entries.get(key);
		if (entry?.underWay === undefined) return;
		const status = entry.underWay;
		entry.underWay = undefined;
		switch (outcome) {
			case "written":
				setWritten(entry, status);
				entry.writtenMs = nowMs;
				entry.failures = 0;
				entry.differsSinceMs = undefined;
				compare(entry, nowMs);
				break;
			case "failed":
				entry.notBeforeMs =
					nowMs + Math.min(this.#pace.retryMs * 2 ** Math.min(entry.failures, 20), this.#pace.maxRetryMs);
				entry.failures++;
				break;
			default:
				outcome satisfies never;
		}
	}

	#refill(nowMs: number): void {
		const { perSecond, burst, countsPerSecond, countsBurst } = this.#pace;
		for (const [bucket, rate, most] of [
			[this.#urgent, perSecond, burst],
			[this.#counts, countsPerSecond, countsBurst],
		] as const) {
			bucket.tokens = Math.min(most, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * rate);
			bucket.atMs = nowMs;
		}
	}
}

function newEntry(fate: ResourceFate, wanted: ResourceStatus, nowMs: number): Entry {
	return {
		fate,
		wanted,
		wantedWords: wordsOf(wanted),
		written: undefined,
		writtenWords: undefined,
		differsSinceMs: nowMs,
		changedMs: nowMs,
		writtenMs: Number.NEGATIVE_INFINITY,
		notBeforeMs: 0,
		failures: 0,
		underWay: undefined,
	};
}

function setWritten(entry: Entry, status: ResourceStatus | undefined): void {
	entry.written = status;
	entry.writtenWords = status && wordsOf(status);
}

function compare(entry: Entry, nowMs: number): void {
	if (entry.writtenWords === entry.wantedWords) entry.differsSinceMs = undefined;
	else entry.differsSinceMs ??= nowMs;
}

function isCountsOnly({ wanted, written }: Entry): boolean {
	return written !== undefined && differsInCounts(written, wanted);
}

function sinceOf({ conditions }: ResourceStatus): string {
	return conditions[0]?.lastTransitionTime ?? "";
}
