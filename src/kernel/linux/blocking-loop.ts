// A thread that does nothing else: it sleeps in ppoll(2) until a descriptor is readable or a timer is due, with the kernel's own
// precision, and without the event loop of Node, whose other work could delay an advert.

import type { Cancel } from "../../runtime/clock.ts";
import type { RealTimeLoop } from "../real-time-loop.ts";
import { TimerQueue } from "../timer-queue.ts";
import { libc } from "./libc.ts";
import { monotonicUs } from "./monotonic-us.ts";

const POLLIN = 1;
/** `struct pollfd`: descriptor 0 (i32), wanted 4 (i16), happened 6 (i16). */
const pollfdBytes = 8;
/** It looks around at least so often, so that the thread can be ended from outside. */
const longestSleepUs = 500_000;

interface Watched {
	readonly fd: number;
	onReadable: (() => void) | undefined;
}

export class BlockingLoop implements RealTimeLoop {
	readonly #timers = new TimerQueue();
	/** `struct timespec`: seconds 0 (i64), nanoseconds 8 (i64). */
	readonly #timeout = Buffer.alloc(16);
	#watched: readonly Watched[] = [];
	#pollfds = Buffer.alloc(0);
	#stopped = false;

	nowUs(): number {
		return monotonicUs();
	}

	watchReadable(fd: number, onReadable: () => void): Cancel {
		const watched: Watched = { fd, onReadable };
		this.#setWatched([...this.#watched, watched]);
		return () => {
			watched.onReadable = undefined;
			this.#setWatched(this.#watched.filter((other) => other !== watched));
		};
	}

	at(dueUs: number, run: (nowUs: number, dueUs: number) => void): Cancel {
		return this.#timers.add(dueUs, run);
	}

	/** Blocks this thread until `stop` is called, or until a time. What a callback throws comes out here. */
	run(untilUs = Number.POSITIVE_INFINITY): void {
		this.#stopped = false;
		while (!this.#stopped && monotonicUs() < untilUs) {
			const due = Math.min(this.#timers.nextDueUs() ?? Number.POSITIVE_INFINITY, untilUs);
			const sleepUs = Math.min(Math.max(due - monotonicUs(), 0), longestSleepUs);
			this.#poll(sleepUs);
			// The thread may have been held up since: what came meanwhile is heard first.
			if (sleepUs > 0 && due <= monotonicUs()) this.#poll(0);
			this.#timers.runDue(monotonicUs);
		}
	}

	/** Lets `run` return after the callback that runs. */
	stop(): void {
		this.#stopped = true;
	}

	#poll(sleepUs: number): void {
		const seconds = Math.floor(sleepUs / 1e6);
		this.#timeout.writeUInt32LE(seconds, 0);
		this.#timeout.writeUInt32LE(Math.floor((sleepUs - seconds * 1e6) * 1000), 8);
		const watched = this.#watched;
		const pollfds = this.#pollfds;
		if (libc.ppoll(pollfds, watched.length, this.#timeout, null) <= 0) return;
		for (const [index, one] of watched.entries())
			if (pollfds.readInt16LE(index * pollfdBytes + 6) !== 0) one.onReadable?.();
	}

	#setWatched(watched: readonly Watched[]): void {
		this.#watched = watched;
		this.#pollfds = Buffer.alloc(watched.length * pollfdBytes);
		for (const [index, { fd }] of watched.entries()) {
			this.#pollfds.writeInt32LE(fd, index * pollfdBytes);
			this.#pollfds.writeInt16LE(POLLIN, index * pollfdBytes + 4);
		}
	}
}
