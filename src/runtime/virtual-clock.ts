// A clock for tests that moves only when told to.

import type { Cancel, Clock } from "./clock.ts";

interface Due {
	readonly atMs: number;
	readonly sequence: number;
	readonly run: () => void;
}

export class VirtualClock implements Clock {
	#nowMs = 0;
	#sequence = 0;
	#due: Due[] = [];
	readonly #epochMs: number;

	constructor(epochMs = 1_700_000_000_000) {
		this.#epochMs = epochMs;
	}

	monotonicMs(): number {
		return this.#nowMs;
	}

	wallMs(): number {
		return this.#epochMs + this.#nowMs;
	}

	after(ms: number, run: () => void): Cancel {
		const due: Due = { atMs: this.#nowMs + ms, sequence: this.#sequence++, run };
		this.#due.push(due);
		return () => {
			this.#due = this.#due.filter((other) => other !== due);
		};
	}

	/** Runs everything due within the next `ms`, in order of time, then of arming. */
	advance(ms: number): void {
		const untilMs = this.#nowMs + ms;
		for (;;) {
			const next = this.#due
				.filter((due) => due.atMs <= untilMs)
				.sort((a, b) => a.atMs - b.atMs || a.sequence - b.sequence)[0];
			if (!next) break;
			this.#due = this.#due.filter((due) => due !== next);
			this.#nowMs = Math.max(this.#nowMs, next.atMs);
			next.run();
		}
		this.#nowMs = untilMs;
	}

	/** How many timers are armed. */
	get armed(): number {
		return this.#due.length;
	}
}
