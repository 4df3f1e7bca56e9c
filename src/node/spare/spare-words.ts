// What each pod's hot-switch has been told of the spare. In: verdicts, as often as somebody looks. Out: a word when it changes. One
// that is late with a change goes on with what it had before, for a while.

import type { SpareServing } from "../../hotswitch/spare/spare-serving.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";

export type SpareWord = { readonly type: "spareUp" } | { readonly type: "spareDown"; readonly because: string };

export interface SparePodStatus {
	readonly uid: string;
	/** `default/reviews-v1-abc` */
	readonly pod: string;
	readonly serves: boolean;
	readonly because: string;
}

interface Told {
	readonly pod: string;
	/** Absent: nothing yet, so what an earlier agent has said holds. */
	word?: "up" | "down";
	because: string;
	pendingSinceMs?: number;
}

/** How long a change may take until what the spare had before counts for nothing. */
const pendingMostMs = 5_000;

export class SpareWords {
	readonly #tell: (uid: string, word: SpareWord) => void;
	readonly #clock: Clock;
	readonly #log: Log;
	readonly #pods = new Map<string, Told>();

	constructor(
		tell: (uid: string, word: SpareWord) => void,
		{ clock, log }: { readonly clock: Clock; readonly log: Log },
	) {
		this.#tell = tell;
		this.#clock = clock;
		this.#log = log;
	}

	add(uid: string, pod: string): void {
		this.#pods.set(uid, { pod, because: "nothing of the pod is known" });
	}

	remove(uid: string): void {
		this.#pods.delete(uid);
	}

	isUp(uid: string): boolean {
		return this.#pods.get(uid)?.word === "up";
	}

	/** Something may change soon without another word of it. */
	get isPending(): boolean {
		return [...this.#pods.values()].some((told) => this.#pendingForMs(told) < pendingMostMs);
	}

	/** They have their time anew. */
	changed(): void {
		for (const told of this.#pods.values()) if (told.word !== "up") told.pendingSinceMs = undefined;
	}

	judged(uid: string, serving: SpareServing): void {
		const told = this.#pods.get(uid);
		if (!told) return;
		switch (serving.state) {
			case "serves":
				this.#say(uid, told, "up", "the spare listens");
				break;
			case "refused":
				this.#say(uid, told, "down", serving.because);
				break;
			case "pending":
				told.because = serving.because;
				told.pendingSinceMs ??= this.#clock.monotonicMs();
				if (this.#pendingForMs(told) >= pendingMostMs) this.#say(uid, told, "down", serving.because);
				break;
			default:
				serving satisfies never;
		}
	}

	/** The spare serves nobody. */
	lost(because: string): void {
		for (const [uid, told] of this.#pods) this.#say(uid, told, "down", because);
	}

	statuses(): readonly SparePodStatus[] {
		return [...this.#pods].map(([uid, { pod, word, because }]) => ({ uid, pod, serves: word === "up", because }));
	}

	#pendingForMs({ pendingSinceMs }: Told): number {
		return pendingSinceMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - pendingSinceMs;
	}

	#say(uid: string, told: Told, word: "up" | "down", because: string): void {
		const before = told.word;
		told.because = because;
		if (word === "up") told.pendingSinceMs = undefined;
		if (before === word) return;
		told.word = word;
		const { pod } = told;
		if (word === "up") this.#log.info({ pod }, "the spare can take the pod's connections");
		else if (before === "up") this.#log.warn({ pod, because }, "the spare cannot take the pod's connections");
		this.#tell(uid, word === "up" ? { type: "spareUp" } : { type: "spareDown", because });
	}
}
