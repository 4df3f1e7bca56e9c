// The loop that a virtual router lives in: file descriptors, timers in microseconds, nothing else. What is readable is always
// handled before timers that are due, so that an advert which waits in a socket is heard before its absence is believed.

import type { Cancel } from "../runtime/clock.ts";

export interface RealTimeLoop {
	/** Microseconds of CLOCK_MONOTONIC. */
	nowUs(): number;
	/** Runs whenever the descriptor has something to read, which the callback must then read. */
	watchReadable(fd: number, onReadable: () => void): Cancel;
	/** Runs once, not before `dueUs`. The lateness is `nowUs - dueUs`. */
	at(dueUs: number, run: (nowUs: number, dueUs: number) => void): Cancel;
}
