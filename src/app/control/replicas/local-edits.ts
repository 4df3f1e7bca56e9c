// Resources whose files were edited at a replica that does not lead, and whose directory is its own: told to the leader, which says it
// to all. In: keys as they begin to differ. Out: those that still do a moment later, when there is a leader to be told.

import type { ObjectKey } from "../../../resources/config-object.ts";
import type { Cancel, Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";

export interface LocalEditsParts {
	readonly clock: Clock;
	readonly log: Log;
	/** It is still other than the group has it. */
	readonly isDue: (key: ObjectKey) => boolean;
	/** There is a leader, and it reads other files than these. */
	readonly mayTell: () => boolean;
	/** Rejects when it could not be told; then it is tried again. */
	readonly tell: (keys: readonly ObjectKey[]) => Promise<void>;
}

const settleMs = 300;

export class LocalEdits {
	readonly #parts: LocalEditsParts;
	readonly #keys = new Set<ObjectKey>();
	#cancel: Cancel | undefined;
	#closed = false;

	constructor(parts: LocalEditsParts) {
		this.#parts = parts;
	}

	add(keys: readonly ObjectKey[]): void {
		for (const key of keys) this.#keys.add(key);
		this.#arm();
	}

	close(): void {
		this.#closed = true;
		this.#cancel?.();
	}

	#arm(): void {
		if (this.#keys.size === 0 || this.#cancel || this.#closed) return;
		this.#cancel = this.#parts.clock.after(settleMs, () => void this.#look());
	}

	async #look(): Promise<void> {
		const { isDue, log, mayTell, tell } = this.#parts;
		for (const key of this.#keys) if (!isDue(key)) this.#keys.delete(key);
		if (this.#keys.size > 0 && mayTell()) {
			const keys = [...this.#keys];
			try {
				await tell(keys);
				for (const key of keys) this.#keys.delete(key);
				log.info({ resources: keys.slice(0, 20) }, "the leader was told of files that were edited here");
			} catch (error) {
				log.warn({ because: String(error), resources: keys.slice(0, 20) }, "the leader did not take an edited file");
			}
		}
		this.#cancel = undefined;
		this.#arm();
	}
}
