// Whether a publication waits for keys: a new rule goes out with its keys if they can be had in half a second, so that
// nobody's token is refused in between. One issuer that hangs holds up one publication, once.

import type { NeededKeySet } from "../../snapshot/key-sets.ts";

/** What fetches keys for tokens. */
export interface KeySetFetching {
	/** Gives those known already back at once. */
	need(needed: readonly NeededKeySet[]): void;
	/** A key set that there are no keys of was not asked for until now. */
	isFetchingFirst(): boolean;
	/** Resolves when that is over, or after `maxMs`. */
	firstTries(maxMs: number): Promise<void>;
}

const maxKeyWaitMs = 500;

export class KeyWait {
	readonly #keySets: KeySetFetching | undefined;
	#phase: "none" | "waits" | "over" = "none";

	constructor(keySets: KeySetFetching | undefined) {
		this.#keySets = keySets;
	}

	/** True: `publish` is called when the wait is over. */
	holds(publish: () => void): boolean {
		if (!this.#keySets?.isFetchingFirst()) this.#phase = "none";
		else if (this.#phase === "none") {
			this.#phase = "waits";
			void this.#keySets.firstTries(maxKeyWaitMs).then(() => {
				this.#phase = "over";
				publish();
			});
		}
		return this.#phase === "waits";
	}
}
