// Asks a worker of the spare Envoy again and again whether it answers. In: its Unix socket. Out: heard, silent, hung.

import { Agent, request } from "node:http";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import { isStarved, type ProcessorLook } from "../is-starved.ts";

export interface SpareWatchOptions {
	readonly socketPath: string;
	/** Between two questions. Default 25 ms. */
	readonly intervalMs?: number;
	/** Without an answer for so long it is silent. Default 250 ms. */
	readonly silentMs?: number;
	/** And for so long it hangs. Default 2 s. */
	readonly hangMs?: number;
	/** At its workers: while they only wait for a processor it is not silent. */
	readonly look?: () => ProcessorLook | undefined;
	readonly onHeard: () => void;
	readonly onSilent: () => void;
	readonly onHung: () => void;
}

export class SpareWatch {
	readonly #options: SpareWatchOptions;
	readonly #clock: Clock;
	readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
	#state: "new" | "heard" | "silent" | "hung" = "new";
	/** Of the question without an answer. */
	#askedAtMs: number | undefined;
	#look: ProcessorLook | undefined;
	#cancel: Cancel = () => {};
	#closed = false;

	constructor(options: SpareWatchOptions, clock: Clock) {
		this.#options = options;
		this.#clock = clock;
		this.#tick();
	}

	get isHeard(): boolean {
		return this.#state === "heard";
	}

	close(): void {
		this.#closed = true;
		this.#cancel();
		this.#agent.destroy();
	}

	#tick(): void {
		if (this.#closed) return;
		if (this.#askedAtMs === undefined) this.#ask();
		// An answer that came while this process was held up is read first.
		else if (this.#silentForMs() > (this.#options.silentMs ?? 250)) setImmediate(() => this.#judge());
		this.#cancel = this.#clock.after(this.#options.intervalMs ?? 25, () => this.#tick());
	}

	#silentForMs(): number {
		return this.#askedAtMs === undefined ? 0 : this.#clock.monotonicMs() - this.#askedAtMs;
	}

	#judge(): void {
		const silentForMs = this.#silentForMs();
		// One that has not begun yet may be busy with its first configuration.
		if (this.#closed || this.#state === "new" || silentForMs <= (this.#options.silentMs ?? 250)) return;
		const before = this.#look;
		this.#look = this.#options.look?.();
		// It takes two looks to tell.
		if ((this.#look && !before) || isStarved(before, this.#look)) return;
		if (this.#state === "heard") {
			this.#state = "silent";
			this.#options.onSilent();
		}
		if (this.#state === "silent" && silentForMs > (this.#options.hangMs ?? 2_000)) {
			this.#state = "hung";
			this.#options.onHung();
		}
	}

	#ask(): void {
		this.#askedAtMs = this.#clock.monotonicMs();
		const { socketPath } = this.#options;
		const outgoing = request({ socketPath, path: "/", agent: this.#agent, headers: { host: "spare" } }, (response) => {
			response.resume();
			this.#askedAtMs = undefined;
			this.#look = undefined;
			if (this.#closed || this.#state === "heard") return;
			this.#state = "heard";
			this.#options.onHeard();
		});
		outgoing.on("error", () => {
			// Not there: since when is known from the first time on.
			if (this.#closed) return;
			if (this.#state === "new") this.#askedAtMs = undefined;
			else this.#clock.after(this.#options.intervalMs ?? 25, () => this.#again());
		});
		outgoing.end();
	}

	#again(): void {
		if (this.#closed) return;
		const sinceMs = this.#askedAtMs;
		this.#ask();
		this.#askedAtMs = sinceMs ?? this.#askedAtMs;
	}
}
