// The same on Node's own event loop, for processes that also do other things: descriptors by uv_poll, timers by a timerfd, which
// is exact where setTimeout rounds to milliseconds.

import type { Cancel } from "../../runtime/clock.ts";
import type { RealTimeLoop } from "../real-time-loop.ts";
import { TimerQueue } from "../timer-queue.ts";
import { libc, pollOnEventLoop } from "./libc.ts";
import { monotonicUs } from "./monotonic-us.ts";

const CLOCK_MONOTONIC = 1;
const TFD_NONBLOCK_CLOEXEC = 0o2004000;
const TFD_TIMER_ABSTIME = 1;

export class EventLoop implements RealTimeLoop {
	readonly #timers = new TimerQueue();
	/** Handles are kept here: one that is collected silently watches no longer. */
	readonly #watched = new Map<() => void, { close(): void }>();
	/** `struct itimerspec`: interval 0 (two i64), value 16 (two i64). */
	readonly #setting = Buffer.alloc(32);
	readonly #read = Buffer.alloc(8);
	#timer: number;
	readonly #handle: { close(): void };
	readonly #onError: (error: unknown) => void;
	#armedForUs: number | undefined;
	#settling = false;

	/** `onError` gets what callbacks throw, and may throw it on. */
	constructor(onError: (error: unknown) => void) {
		this.#onError = onError;
		this.#timer = libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK_CLOEXEC);
		this.#handle = pollOnEventLoop(this.#timer, () => this.#guard(() => this.#timerReadable()));
	}

	nowUs(): number {
		return monotonicUs();
	}

	watchReadable(fd: number, onReadable: () => void): Cancel {
		let active = true;
		const read = () => {
			if (active) this.#guard(onReadable);
		};
		const handle = pollOnEventLoop(fd, read);
		this.#watched.set(read, handle);
		return () => {
			if (!active) return;
			active = false;
			this.#watched.delete(read);
			handle.close();
		};
	}

	at(dueUs: number, run: (nowUs: number, dueUs: number) => void): Cancel {
		const cancel = this.#timers.add(dueUs, (nowUs, due) => this.#guard(() => run(nowUs, due)));
		this.#arm();
		return cancel;
	}

	/** Nothing runs any more; what is cancelled or armed later is passed over. */
	close(): void {
		if (this.#timer < 0) return;
		for (const handle of this.#watched.values()) handle.close();
		this.#watched.clear();
		this.#handle.close();
		libc.close(this.#timer);
		this.#timer = -1;
	}

	#timerReadable(): void {
		libc.read(this.#timer, this.#read, 8);
		this.#armedForUs = undefined;
		// Sockets may hold an advert whose absence a timer would report. None of them blocks.
		for (const read of [...this.#watched.keys()]) read();
		this.#timers.runDue(monotonicUs);
		this.#arm();
	}

	#arm(): void {
		const due = this.#timers.nextDueUs();
		if (this.#timer < 0 || due === undefined || (this.#armedForUs !== undefined && this.#armedForUs <= due)) return;
		this.#armedForUs = due;
		const nanoseconds = BigInt(Math.max(1, Math.ceil(due * 1000)));
		this.#setting.writeBigInt64LE(nanoseconds / 1_000_000_000n, 16);
		this.#setting.writeBigInt64LE(nanoseconds % 1_000_000_000n, 24);
		libc.timerfd_settime(this.#timer, TFD_TIMER_ABSTIME, this.#setting, null);
	}

	/** koffi calls back without what Node does after a callback: promises would wait, and an error would abort the process. */
	#guard(run: () => void): void {
		try {
			run();
		} catch (error) {
			setImmediate(() => this.#onError(error));
		}
		if (this.#settling) return;
		this.#settling = true;
		setImmediate(() => {
			this.#settling = false;
		});
	}
}
