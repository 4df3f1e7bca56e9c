// The door of the xDS server: streams that wait to be let in, and the timer that lets them, which also tells how late the event loop
// is. A stream that waits is not read; its client sees an answer that takes its time.

import type { ServerHttp2Stream } from "node:http2";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import { type AdmissionConfig, type AdmissionState, admit, initialAdmission } from "../admission.ts";

const lookEveryMs = 50;

interface Waiting {
	readonly http: ServerHttp2Stream;
	readonly open: () => void;
}

export class StreamAdmission {
	readonly #config: AdmissionConfig;
	readonly #clock: Clock;
	#state: AdmissionState;
	#waiting: Waiting[] = [];
	#cancel: Cancel | undefined;

	constructor(config: AdmissionConfig, clock: Clock) {
		this.#config = config;
		this.#clock = clock;
		this.#state = initialAdmission(config, clock.monotonicMs());
	}

	/** Calls `open` now, or when its turn has come; not at all when the client has gone by then. */
	enter(http: ServerHttp2Stream, open: () => void): void {
		this.#waiting.push({ http, open });
		if (this.#cancel) return;
		this.#admit(undefined);
		this.#arm();
	}

	close(): void {
		this.#cancel?.();
		this.#waiting = [];
	}

	#admit(lateMs: number | undefined): void {
		this.#waiting = this.#waiting.filter(({ http }) => !http.destroyed);
		const { state, admitted } = admit(
			this.#config,
			this.#state,
			this.#waiting.length,
			this.#clock.monotonicMs(),
			lateMs,
		);
		this.#state = state;
		for (const { open } of this.#waiting.splice(0, admitted)) open();
	}

	#arm(): void {
		if (this.#waiting.length === 0) return;
		const dueMs = this.#clock.monotonicMs() + lookEveryMs;
		this.#cancel = this.#clock.after(lookEveryMs, () => {
			this.#cancel = undefined;
			this.#admit(Math.max(0, this.#clock.monotonicMs() - dueMs));
			this.#arm();
		});
	}
}
