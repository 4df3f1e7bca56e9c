// What the API server shall be told in the end. In: items, each under a key; of two with the same key the newer counts. Out: one
// write at a time, in their order; one that fails is tried again until the server takes it, or says that it will not.

import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { Refused } from "./refused.ts";

export interface WriteQueueOptions<Item> {
	/** As logs call what is written. */
	readonly what: string;
	/** Rejects with Refused where the server says no. */
	readonly write: (item: Item) => Promise<void>;
	/** Asked before each write. After a no nothing happens until `set` or `resume`. */
	readonly mayWrite?: () => boolean;
	/** Between two writes. Default 0. */
	readonly paceMs?: number;
	/** After one that failed. */
	readonly retryMs: number;
	/** What is refused is not tried again. Default true; false for what must be true in the end, when a right comes late as well. */
	readonly givesUp?: boolean;
	/** What could not be written for so long is forgotten. Default: nothing is. */
	readonly keepMs?: number;
	/** What comes when so many wait already is dropped. Default 2,000. */
	readonly mostPending?: number;
}

interface Pending<Item> {
	readonly item: Item;
	readonly sinceMs: number;
}

export class WriteQueue<Item> {
	readonly #options: WriteQueueOptions<Item>;
	readonly #clock: Clock;
	readonly #log: Log;
	/** Oldest first. */
	readonly #pending = new Map<string, Pending<Item>>();
	#isWriting = false;
	#isClosed = false;
	/** Why the last write failed. */
	#because: string | undefined;
	#wake: () => void = () => {};

	constructor(options: WriteQueueOptions<Item>, deps: { readonly clock: Clock; readonly log: Log }) {
		this.#options = options;
		this.#clock = deps.clock;
		this.#log = deps.log;
	}

	set(key: string, item: Item): void {
		const { mostPending = 2_000 } = this.#options;
		this.#forget();
		if (this.#isClosed || (this.#pending.size >= mostPending && !this.#pending.has(key))) return;
		this.#pending.delete(key);
		this.#pending.set(key, { item, sinceMs: this.#clock.monotonicMs() });
		void this.#writeAll();
	}

	delete(key: string): void {
		this.#pending.delete(key);
	}

	/** What waits is tried at once. */
	resume(): void {
		this.#wake();
		void this.#writeAll();
	}

	close(): void {
		this.#isClosed = true;
		this.#wake();
	}

	async #writeAll(): Promise<void> {
		if (this.#isWriting) return;
		this.#isWriting = true;
		const { paceMs = 0, retryMs } = this.#options;
		for (let next = this.#next(); next; next = this.#next()) {
			const [key, pending] = next;
			const isDone = await this.#write(pending.item);
			// It may have been overtaken by a newer one meanwhile.
			if (isDone && this.#pending.get(key) === pending) this.#pending.delete(key);
			await this.#wait(isDone ? paceMs : retryMs);
		}
		this.#isWriting = false;
	}

	#forget(): void {
		const { keepMs = Infinity } = this.#options;
		for (const [key, { sinceMs }] of this.#pending) {
			if (this.#clock.monotonicMs() - sinceMs < keepMs) return;
			this.#pending.delete(key);
		}
	}

	#next(): readonly [string, Pending<Item>] | undefined {
		const { mayWrite = () => true } = this.#options;
		this.#forget();
		return this.#isClosed || !mayWrite() ? undefined : this.#pending.entries().next().value;
	}

	/** False: it is worth another try. */
	async #write(item: Item): Promise<boolean> {
		const { givesUp = true, what, write } = this.#options;
		try {
			await write(item);
		} catch (error) {
			const refused = givesUp && error instanceof Refused ? error : undefined;
			// What it is about is gone; or it is there already, from a try whose answer was not heard.
			if (refused?.code === 404 || refused?.code === 409) return true;
			const because = error instanceof Error ? error.message : String(error);
			if (because !== this.#because) this.#log.warn({ because }, `${what} cannot be written`);
			this.#because = because;
			return refused?.isFinal ?? false;
		}
		if (this.#because !== undefined) this.#log.info({}, `${what} can be written again`);
		this.#because = undefined;
		return true;
	}

	#wait(ms: number): Promise<void> | undefined {
		if (ms === 0 || this.#isClosed) return undefined;
		return new Promise((resolve) => {
			const cancel = this.#clock.after(ms, resolve);
			this.#wake = () => {
				cancel();
				resolve();
			};
		});
	}
}
