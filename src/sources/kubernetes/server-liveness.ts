// Whether an API server answers at all: a watch alone may be silent for a minute. Asked every few seconds. Out: since when it
// does not answer, and that it does again.

import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";

export interface ServerLivenessEvents {
	readonly onLost: (because: string) => void;
	readonly onBack: () => void;
	/** After each try. */
	readonly onAsked: () => void;
}

const everyMs = 5_000;
const timeoutMs = 5_000;
/** One answer that does not come may be chance. */
const lostAfter = 2;

export class ServerLiveness {
	readonly #client: KubernetesClient;
	readonly #clock: Clock;
	readonly #events: ServerLivenessEvents;
	#failures = 0;
	#isAsking = false;
	#cancel: Cancel = () => {};
	#closed = false;
	/** It has answered once. */
	hasAnswered = false;
	lastAnswerMs: number;
	/** Undefined while it answers. */
	because: string | undefined;

	constructor(client: KubernetesClient, clock: Clock, events: ServerLivenessEvents) {
		this.#client = client;
		this.#clock = clock;
		this.#events = events;
		this.lastAnswerMs = clock.monotonicMs();
		this.ask();
	}

	/** Now, not only when its time has come. */
	ask(): void {
		if (this.#closed || this.#isAsking) return;
		this.#cancel();
		void this.#ask();
	}

	close(): void {
		this.#closed = true;
		this.#cancel();
	}

	async #ask(): Promise<void> {
		this.#isAsking = true;
		let because: string | undefined;
		try {
			const { body, status } = await this.#client.request("GET", "/livez", { timeoutMs });
			// Whoever may not ask has an answer all the same.
			if (status >= 500) because = `the API server is not well: ${String(body).slice(0, 200)}`;
		} catch (error) {
			because = error instanceof Error ? error.message : String(error);
		}
		this.#isAsking = false;
		if (this.#closed) return;
		this.#told(because);
		this.#events.onAsked();
		this.#cancel = this.#clock.after(everyMs, () => this.ask());
	}

	#told(because: string | undefined): void {
		if (because === undefined) {
			this.hasAnswered = true;
			this.lastAnswerMs = this.#clock.monotonicMs();
			this.#failures = 0;
			const wasLost = this.because !== undefined;
			this.because = undefined;
			if (wasLost) this.#events.onBack();
			return;
		}
		this.#failures += 1;
		if (this.#failures < lostAfter) return;
		const isNews = this.because === undefined;
		this.because = because;
		if (isNews) this.#events.onLost(because);
	}
}
