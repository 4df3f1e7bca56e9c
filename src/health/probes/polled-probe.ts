// A check that is repeated: the first one almost at once, then every interval from a random moment on, never two at the same time,
// and at once when something says that the world has changed.

import type { Cancel } from "../../runtime/clock.ts";
import { afterPatiently } from "./patient-timeout.ts";
import type { Probe, ProbeContext } from "./probe.ts";

export interface Polling {
	readonly intervalMs: number;
	/** A check that takes longer is aborted and has failed. */
	readonly timeoutMs: number;
	/** The check ends by itself, in its own time, and `timeoutMs` is its business. */
	readonly endsItself?: boolean;
}

export interface CheckOutcome {
	readonly ok: boolean;
	readonly because: string;
}

/** Must give up everything it holds when the signal aborts. It never rejects on purpose; a rejection is a failure. */
export type Check = (signal: AbortSignal) => Promise<CheckOutcome>;

/** At most this long until the first check: whoever waits for it must not wait for an interval. */
const startSpreadMs = 20;
/** Between two checks that events ask for. */
const eventSpacingMs = 5;

export function startPolledProbe(polling: Polling, check: Check, context: ProbeContext): Probe {
	return new PolledProbe(polling, check, context);
}

class PolledProbe implements Probe {
	readonly #polling: Polling;
	readonly #check: Check;
	readonly #context: ProbeContext;
	readonly #random: () => number;
	#timer: Cancel | undefined;
	#running: AbortController | undefined;
	#startedMs: number;
	#again = false;
	#closed = false;
	#first = true;

	constructor(polling: Polling, check: Check, context: ProbeContext) {
		this.#polling = polling;
		this.#check = check;
		this.#context = context;
		this.#random = context.random ?? Math.random;
		this.#startedMs = Number.NEGATIVE_INFINITY;
		this.#arm(this.#random() * Math.min(startSpreadMs, polling.intervalMs / 10));
	}

	recheck(): void {
		if (this.#closed || this.#again) return;
		this.#again = true;
		if (this.#running) return;
		const sinceMs = this.#context.clock.monotonicMs() - this.#startedMs;
		if (sinceMs >= eventSpacingMs) this.#run();
		else this.#arm(eventSpacingMs - sinceMs);
	}

	close(): void {
		this.#closed = true;
		this.#timer?.();
		this.#running?.abort();
	}

	#arm(ms: number): void {
		this.#timer?.();
		this.#timer = this.#context.clock.after(ms, () => this.#run());
	}

	#run(): void {
		if (this.#closed || this.#running) return;
		this.#timer?.();
		const { clock } = this.#context;
		const { timeoutMs, endsItself } = this.#polling;
		const running = new AbortController();
		this.#running = running;
		this.#again = false;
		this.#startedMs = clock.monotonicMs();
		const finish = (outcome: CheckOutcome): void => {
			if (this.#running !== running) return;
			this.#running = undefined;
			timeout?.();
			if (this.#closed) return;
			this.#scheduleNext();
			this.#context.onResult({ ...outcome, tookMs: clock.monotonicMs() - this.#startedMs });
		};
		const timeout = endsItself
			? undefined
			: afterPatiently(clock, timeoutMs, () => {
					finish({ ok: false, because: `no answer within ${timeoutMs} ms` });
					running.abort();
				});
		this.#check(running.signal).then(finish, (error: unknown) =>
			finish({ ok: false, because: error instanceof Error ? error.message : String(error) }),
		);
	}

	#scheduleNext(): void {
		const { intervalMs } = this.#polling;
		const tookMs = this.#context.clock.monotonicMs() - this.#startedMs;
		const spread = this.#first ? 0.5 + this.#random() / 2 : 1;
		this.#first = false;
		const nextMs = this.#again ? eventSpacingMs : intervalMs * spread;
		this.#arm(Math.max(nextMs - tookMs, this.#again ? 0 : Math.min(eventSpacingMs, intervalMs)));
	}
}
