// The mesh as it is, and while a few proxies try what changed: the mesh as the others have it. Endpoints, keys and serving steps
// are the same in both; nobody waits for those.

import type { Snapshot } from "../../snapshot/snapshot.ts";

export class SnapshotPair {
	newest: Snapshot;
	#before: Snapshot | undefined;

	constructor(newest: Snapshot) {
		this.newest = newest;
	}

	/** `isWaiting`: for a proxy that does not try what changed last. */
	of(isWaiting: boolean): Snapshot {
		return (isWaiting && this.#before) || this.newest;
	}

	/** What changes from now on is for those who try it. */
	holdBack(): void {
		this.#before = this.newest;
	}

	/** All have the newest from now on. */
	join(): void {
		this.#before = undefined;
	}

	/** True when the newest is another one now. */
	updateBoth(update: (snapshot: Snapshot) => Snapshot): boolean {
		const { newest } = this;
		this.newest = update(newest);
		if (this.#before) this.#before = update(this.#before);
		return this.newest !== newest;
	}
}
