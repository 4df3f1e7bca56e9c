// When the record of what an API server said is written: soon after a change, but never so often that it costs much; at once when
// the server is lost. In: that something changed, that the server was asked, or lost. Out: calls of the store. What cannot be written
// is tried again later.

import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { SourceRecord } from "./source-record.ts";
import type { SourceRecordStore } from "./source-record-file.ts";

export interface RecordKeeperParts {
	readonly store: SourceRecordStore;
	readonly clock: Clock;
	readonly log: Log;
	readonly record: () => SourceRecord;
	/** Milliseconds since the epoch: for how new what is known counts. */
	readonly asOfMs: () => number;
}

const afterChangeMs = 1_000;
/** A write that took 50 ms is followed by none for 2.5 s. */
const restPerCost = 50;
const tryAgainMs = 30_000;

export class RecordKeeper {
	readonly #parts: RecordKeeperParts;
	#cancel: Cancel | undefined;
	#asOfMs = 0;
	#isWriting = false;
	#isChanged = false;
	/** What changed is written without a rest. */
	#isPressing = false;
	#isClosed = false;
	#because: string | undefined;

	constructor(parts: RecordKeeperParts) {
		this.#parts = parts;
	}

	changed(): void {
		this.#isChanged = true;
		this.#arm(afterChangeMs);
	}

	/** Nothing follows for now, and what is not on the disk is nowhere else once this process ends. */
	serverLost(): void {
		if (!this.#isChanged || this.#isClosed) return;
		this.#isPressing = true;
		if (this.#isWriting) return;
		this.#cancel?.();
		this.#cancel = undefined;
		void this.#write();
	}

	/** The server was asked; what is known is as new as `asOfMs` says. */
	confirmed(): void {
		if (this.#isChanged || this.#isWriting) return;
		const asOfMs = this.#parts.asOfMs();
		// A server that is lost counts from the last word of each kind, and may have been asked in vain since.
		if (asOfMs > this.#asOfMs) this.#parts.store.confirm(asOfMs);
		this.#asOfMs = Math.max(asOfMs, this.#asOfMs);
	}

	close(): void {
		this.#isClosed = true;
		this.#cancel?.();
	}

	#arm(afterMs: number): void {
		if (this.#cancel || this.#isWriting || this.#isClosed) return;
		this.#cancel = this.#parts.clock.after(afterMs, () => {
			this.#cancel = undefined;
			void this.#write();
		});
	}

	async #write(): Promise<void> {
		const { asOfMs, clock, log, record, store } = this.#parts;
		this.#isWriting = true;
		this.#isChanged = false;
		this.#isPressing = false;
		const startMs = clock.monotonicMs();
		let restMs: number;
		try {
			this.#asOfMs = asOfMs();
			await store.save(record(), this.#asOfMs);
			restMs = this.#isPressing ? 0 : Math.max(afterChangeMs, (clock.monotonicMs() - startMs) * restPerCost);
			this.#because = undefined;
		} catch (error) {
			const because = error instanceof Error ? error.message : String(error);
			const next = "a control plane that restarts while the API server is away would wait for it";
			if (because !== this.#because)
				log.warn({ because, next }, "what the API server said cannot be kept on this disk");
			this.#because = because;
			this.#isChanged = true;
			restMs = tryAgainMs;
		}
		this.#isWriting = false;
		if (this.#isChanged) this.#arm(restMs);
		else this.#rest(restMs);
	}

	/** Changes that come meanwhile wait for the end of it. */
	#rest(ms: number): void {
		if (this.#isClosed) return;
		this.#cancel = this.#parts.clock.after(ms, () => {
			this.#cancel = undefined;
			if (this.#isChanged) void this.#write();
		});
	}
}
