// The timers of one state machine by name: setting one again puts it off, and one that has fired is no more.

import type { Cancel, Clock } from "./clock.ts";

export class NamedTimers<Name extends string> {
	readonly #clock: Clock;
	readonly #onFired: (name: Name) => void;
	readonly #armed = new Map<Name, Cancel>();

	constructor(clock: Clock, onFired: (name: Name) => void) {
		this.#clock = clock;
		this.#onFired = onFired;
	}

	set(name: Name, afterMs: number): void {
		this.clear(name);
		const cancel = this.#clock.after(afterMs, () => {
			this.#armed.delete(name);
			this.#onFired(name);
		});
		this.#armed.set(name, cancel);
	}

	clear(name: Name): void {
		this.#armed.get(name)?.();
		this.#armed.delete(name);
	}

	clearAll(): void {
		for (const cancel of this.#armed.values()) cancel();
		this.#armed.clear();
	}
}
