// What a source of resources knows from the process before it, and leaves to the next one. In: that the server does not answer at
// the start, that something changed, that everything was read. Out: the record to begin with, once, and its age from then on.

import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { RecordKeeper } from "./record-keeper.ts";
import type { SourceRecord } from "./source-record.ts";
import type { SourceRecordStore } from "./source-record-file.ts";

export interface SourceMemoryParts {
	/** Absent: nothing is known, and nothing is left. */
	readonly store: SourceRecordStore | undefined;
	readonly clock: Clock;
	readonly log: Log;
	readonly server: string;
	readonly record: () => SourceRecord;
	/** Of what is known now; 0 while the server can be followed. */
	readonly ageMs: () => number;
	/** What has not been read yet; undefined: everything has been, or has been restored. */
	readonly waitingFor: () => string | undefined;
	/** The server does not answer, or refuses. */
	readonly isAway: () => boolean;
	readonly onRestore: (record: SourceRecord) => void;
}

/** A server that does not answer is not waited for any longer where something is known from before. */
const restoreAfterMs = 3_000;
/** Nor is one that answers, and has not said everything by then. */
const restoreAtLastMs = 15_000;

export class SourceMemory {
	readonly #parts: SourceMemoryParts;
	readonly #keeper: RecordKeeper | undefined;
	#cancel: Cancel = () => {};
	#sinceMs: number | undefined;

	constructor(parts: SourceMemoryParts) {
		this.#parts = parts;
		const { ageMs, clock, log, record, store } = parts;
		if (!store) return;
		this.#keeper = new RecordKeeper({ store, clock, log, record, asOfMs: () => clock.wallMs() - ageMs() });
		this.#cancel = clock.after(restoreAfterMs, () => {
			if (parts.isAway()) this.#restore(store);
			else this.#cancel = clock.after(restoreAtLastMs - restoreAfterMs, () => this.#restore(store));
		});
	}

	/** While something of what is known was restored: the monotonic time, before this process's start, when it was so. */
	get restoredSinceMs(): number | undefined {
		return this.#sinceMs;
	}

	changed(): void {
		this.#keeper?.changed();
	}

	serverLost(): void {
		this.#keeper?.serverLost();
	}

	/** The server was asked once more. */
	confirmed(): void {
		this.#keeper?.confirmed();
	}

	/** The server has said everything itself. */
	isPast(): void {
		this.#sinceMs = undefined;
		this.#keeper?.changed();
		this.#parts.log.info({}, "the API server has been read: what was known before the start is of the past");
	}

	close(): void {
		this.#cancel();
		this.#keeper?.close();
	}

	#restore(store: SourceRecordStore): void {
		const { clock, log, onRestore, server, waitingFor } = this.#parts;
		const because = waitingFor();
		if (because === undefined) return;
		const found = store.load((useless) =>
			log.warn({ because: useless }, "what was known before the start is of no use"),
		);
		if (!found || found.record.server !== server) return;
		const ageMs = Math.max(0, Math.round(clock.wallMs() - found.asOfMs));
		this.#sinceMs = clock.monotonicMs() - ageMs;
		log.warn(
			{ ageMs, objects: found.record.objects.length, because },
			"the API server cannot be read: what was known before the start is in force",
		);
		onRestore(found.record);
	}
}
