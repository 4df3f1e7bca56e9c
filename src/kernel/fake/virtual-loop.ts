// A RealTimeLoop on a clock that tests move. It has no descriptors: the fake network calls back by itself.

import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { RealTimeLoop } from "../real-time-loop.ts";

export class VirtualLoop implements RealTimeLoop {
	readonly #clock: Clock;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	nowUs(): number {
		return this.#clock.monotonicMs() * 1000;
	}

	watchReadable(): Cancel {
		throw new Error("a fake network has no descriptors");
	}

	at(dueUs: number, run: (nowUs: number, dueUs: number) => void): Cancel {
		return this.#clock.after(Math.max(0, dueUs - this.nowUs()) / 1000, () => run(this.nowUs(), dueUs));
	}
}
