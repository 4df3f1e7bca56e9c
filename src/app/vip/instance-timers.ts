// The timers of one virtual router by name. One that is put off is still that timer: setting or cancelling it ends that.

import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";
import type { Cancel } from "../../runtime/clock.ts";
import type { TimerName } from "../../vip/vrrp/instance-state.ts";

export class InstanceTimers {
	readonly #loop: Pick<RealTimeLoop, "at">;
	readonly #onExpired: (timer: TimerName, nowUs: number, dueUs: number) => void;
	readonly #armed = new Map<TimerName, { readonly cancel: Cancel; readonly putOff: boolean }>();

	constructor(loop: Pick<RealTimeLoop, "at">, onExpired: (timer: TimerName, nowUs: number, dueUs: number) => void) {
		this.#loop = loop;
		this.#onExpired = onExpired;
	}

	set(timer: TimerName, dueUs: number, putOff = false): void {
		this.cancel(timer);
		const cancel = this.#loop.at(dueUs, (nowUs) => {
			this.#armed.delete(timer);
			this.#onExpired(timer, nowUs, dueUs);
		});
		this.#armed.set(timer, { cancel, putOff });
	}

	/** One that is put off expires now. */
	hasten(timer: TimerName, nowUs: number): void {
		if (this.#armed.get(timer)?.putOff) this.set(timer, nowUs, true);
	}

	cancel(timer: TimerName): void {
		this.#armed.get(timer)?.cancel();
		this.#armed.delete(timer);
	}

	cancelAll(): void {
		for (const timer of [...this.#armed.keys()]) this.cancel(timer);
	}
}
