// One kind of resource at an API server, listed and then followed for as long as it is wanted. Comes in: the server's answers, or
// none. Goes out: all objects once, then each change; after a gap the difference. While the server cannot be asked, what was told
// stays as it is, and its age is told.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists

import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type RawObject, statusOf } from "./api-object.ts";
import type { KubernetesClient, OpenAnswer } from "./kubernetes-client.ts";
import { listObjects } from "./list-objects.ts";
import { type ListedObject, ObjectIndex } from "./object-index.ts";
import { Refused } from "./refused.ts";
import { type ApiResource, pathOf, resourceName } from "./resource-path.ts";
import { defaultRetryConfig, type RetryConfig, retryDelayMs } from "./retry-delay.ts";
import { readWatchLine } from "./watch-event.ts";

export interface WatchTarget<T> {
	readonly resource: ApiResource;
	/** Default: all. */
	readonly namespace?: string;
	/** `spec.nodeName=n1` */
	readonly fieldSelector?: string;
	readonly labelSelector?: string;
	/** What is held and told of an object; undefined: it is as if it were not there. Called once for each version of it. */
	readonly keep: (raw: RawObject) => T | undefined;
}

export type ResourceEvent<T> =
	/** Once, with everything there is. */
	| { readonly type: "synced"; readonly objects: readonly T[] }
	| { readonly type: "applied"; readonly object: T }
	| { readonly type: "removed"; readonly namespace: string; readonly name: string; readonly uid: string }
	/** The server cannot be asked; `sinceMs` is the monotonic time when it last said something. Told again for another reason. */
	| { readonly type: "stale"; readonly sinceMs: number; readonly because: string }
	| { readonly type: "fresh" };

export interface WatchDeps<T> {
	readonly clock: Clock;
	readonly log: Log;
	readonly onEvent: (event: ResourceEvent<T>) => void;
	/** From 0 to below 1. */
	readonly random?: () => number;
	readonly timing?: Partial<WatchTiming>;
}

export interface WatchTiming extends RetryConfig {
	/** A watch is asked to end after this to twice this. Default 5 minutes. */
	readonly watchMs: number;
	/** A watch that says nothing for so long is opened anew; bookmarks come each minute. Default 2.5 minutes. */
	readonly silenceMs: number;
	/** A list, or the wait for an answer's beginning. Default 30 s. */
	readonly answerMs: number;
}

export const defaultWatchTiming: WatchTiming = {
	...defaultRetryConfig,
	watchMs: 300_000,
	silenceMs: 150_000,
	answerMs: 30_000,
};

/** A watch that held for so long was a good one: what failed before it is forgotten. */
const settledMs = 10_000;

export interface WatchStatus {
	readonly isSynced: boolean;
	readonly objects: number;
	/** Monotonic. */
	readonly lastContactMs: number;
	/** Why the server cannot be asked; undefined while it can. */
	readonly because: string | undefined;
}

export interface ResourceWatch {
	close(): void;
	status(): WatchStatus;
	/** Does not wait any longer before the next try: the server is known to answer again. */
	retryNow(): void;
}

export function watchResource<T>(client: KubernetesClient, target: WatchTarget<T>, deps: WatchDeps<T>): ResourceWatch {
	const watch = new Watch(client, target, deps);
	void watch.run();
	return watch;
}

class Watch<T> implements ResourceWatch {
	readonly #client: KubernetesClient;
	readonly #target: WatchTarget<T>;
	readonly #deps: WatchDeps<T>;
	readonly #timing: WatchTiming;
	readonly #random: () => number;
	readonly #path: string;
	readonly #index = new ObjectIndex<T>();
	readonly #closed = new AbortController();
	/** Where the next watch goes on; undefined: everything has to be listed. */
	#resourceVersion: string | undefined;
	#isSynced = false;
	#canStream = true;
	#failures = 0;
	/** How often all was to be listed anew. */
	#relists = 0;
	#lastContactMs: number;
	#because: string | undefined;
	#wake: (() => void) | undefined;

	constructor(client: KubernetesClient, target: WatchTarget<T>, deps: WatchDeps<T>) {
		this.#client = client;
		this.#target = target;
		this.#deps = deps;
		this.#timing = { ...defaultWatchTiming, ...deps.timing };
		this.#random = deps.random ?? Math.random;
		this.#path = pathOf(target.resource, target.namespace);
		this.#lastContactMs = deps.clock.monotonicMs();
	}

	close(): void {
		this.#closed.abort();
		this.#wake?.();
	}

	status(): WatchStatus {
		return {
			isSynced: this.#isSynced,
			objects: this.#index.size,
			lastContactMs: this.#lastContactMs,
			because: this.#because,
		};
	}

	retryNow(): void {
		this.#wake?.();
	}

	async run(): Promise<void> {
		while (!this.#closed.signal.aborted) {
			try {
				if (this.#resourceVersion === undefined && !this.#canStream) await this.#list();
				await this.#watch();
			} catch (error) {
				if (this.#closed.signal.aborted) return;
				await this.#failed(error);
			}
		}
	}

	async #list(): Promise<void> {
		const { fieldSelector, keep, labelSelector } = this.#target;
		const listed: ListedObject<T>[] = [];
		const query = { fieldSelector, labelSelector };
		const options = { query, timeoutMs: this.#timing.answerMs, signal: this.#closed.signal };
		this.#resourceVersion = await listObjects(this.#client, this.#target.resource, this.#path, options, (raw) => {
			listed.push({ metadata: raw.metadata, object: keep(raw) });
		});
		this.#contact();
		this.#tellAll(listed);
	}

	/** Until the server ends it, which it does every few minutes. */
	async #watch(): Promise<void> {
		const { fieldSelector, labelSelector } = this.#target;
		const { answerMs, watchMs } = this.#timing;
		const isInitial = this.#resourceVersion === undefined;
		const answer = await this.#client.open(this.#path, {
			query: {
				watch: true,
				allowWatchBookmarks: true,
				timeoutSeconds: Math.round((watchMs / 1000) * (1 + this.#random())),
				...(isInitial
					? { sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" }
					: { resourceVersion: this.#resourceVersion }),
				fieldSelector,
				labelSelector,
			},
			timeoutMs: answerMs,
			signal: this.#closed.signal,
		});
		if (answer.status !== 200) return this.#refused(answer, isInitial);
		this.#contact();
		if (!isInitial) this.#fresh();
		await this.#follow(answer, isInitial);
	}

	async #follow(answer: OpenAnswer, isInitial: boolean): Promise<void> {
		const { clock } = this.#deps;
		const { answerMs, silenceMs } = this.#timing;
		let listed: ListedObject<T>[] | undefined = isInitial ? [] : undefined;
		let isSilent = false;
		let cancel: Cancel = () => {};
		const expect = (ms: number): void => {
			cancel();
			cancel = clock.after(ms, () => {
				isSilent = true;
				answer.close();
			});
		};
		expect(listed ? answerMs : silenceMs);
		const openedMs = clock.monotonicMs();
		let isEmpty = true;
		try {
			for await (const line of answer.lines) {
				if (this.#closed.signal.aborted) return;
				isEmpty = false;
				this.#contact();
				const said = readWatchLine(line);
				if (said.type === "error") return this.#onError(said.status);
				if (said.type === "bookmark") {
					if (!listed || said.endsInitial) {
						this.#resourceVersion = said.resourceVersion;
						if (listed) this.#tellAll(listed);
						listed = undefined;
					}
				} else if (listed) {
					listed.push({ metadata: said.object.metadata, object: this.#target.keep(said.object) });
				} else this.#take(said.type, said.object);
				expect(listed ? answerMs : silenceMs);
			}
		} catch (error) {
			// Silence is no failure of its own: the next try shows whether the server is there.
			if (!isSilent) throw error;
		} finally {
			cancel();
			answer.close();
			if (clock.monotonicMs() - openedMs > settledMs) {
				this.#failures = 0;
				this.#relists = 0;
			}
		}
		if (this.#closed.signal.aborted) return;
		if (!listed) {
			if (isEmpty && clock.monotonicMs() - openedMs < 1000) throw new Error("a watch ended as soon as it began");
			return;
		}
		// Servers before 1.27 know nothing of such lists, and never say that one has ended.
		if (isSilent) this.#canStream = false;
		throw new Error(isSilent ? "the list that a watch begins with did not end" : "a list was cut off");
	}

	#take(type: "applied" | "removed", raw: RawObject): void {
		const { metadata } = raw;
		this.#resourceVersion = metadata.resourceVersion;
		const events =
			type === "removed"
				? this.#index.remove(metadata)
				: this.#index.apply({ metadata, object: this.#target.keep(raw) });
		for (const event of events) this.#deps.onEvent(event);
	}

	#tellAll(listed: readonly ListedObject<T>[]): void {
		const events = this.#index.replace(listed);
		if (this.#isSynced) for (const event of events) this.#deps.onEvent(event);
		else {
			this.#isSynced = true;
			const objects = events.flatMap((event) => (event.type === "applied" ? [event.object] : []));
			this.#deps.onEvent({ type: "synced", objects });
		}
		this.#fresh();
	}

	async #refused(answer: OpenAnswer, isInitial: boolean): Promise<void> {
		const status = statusOf(answer.status, await answer.body());
		if (isInitial && (answer.status === 400 || answer.status === 422)) {
			this.#canStream = false;
			return;
		}
		this.#onError({ code: answer.status, ...status }, answer.retryAfterMs);
	}

	#onError(status: ReturnType<typeof statusOf>, retryAfterMs?: number): void {
		if (status.code === 410 || status.reason === "Expired" || status.reason === "Gone") {
			this.#deps.log.debug({ resource: resourceName(this.#target.resource) }, "watch is too old, listing anew");
			this.#resourceVersion = undefined;
			// A server that says so time and again is not asked in a tight circle.
			this.#relists += 1;
			if (this.#relists < 3) return;
		}
		throw new Refused(status, retryAfterMs);
	}

	async #failed(error: unknown): Promise<void> {
		this.#failures += 1;
		const because = error instanceof Error ? error.message : String(error);
		// Connections end; only when the next try fails as well is there something to tell.
		if (this.#failures > 1 || error instanceof Refused) this.#stale(because);
		const askedMs = error instanceof Refused ? error.retryAfterMs : undefined;
		const waitMs = retryDelayMs(this.#timing, this.#failures, this.#random(), askedMs);
		await new Promise<void>((resolve) => {
			const cancel = this.#deps.clock.after(waitMs, resolve);
			this.#wake = () => {
				cancel();
				resolve();
			};
		});
		this.#wake = undefined;
	}

	#stale(because: string): void {
		if (this.#because === because) return;
		if (this.#because === undefined)
			this.#deps.log.warn({ resource: resourceName(this.#target.resource), because }, "watch lost");
		this.#because = because;
		this.#deps.onEvent({ type: "stale", sinceMs: this.#lastContactMs, because });
	}

	#fresh(): void {
		if (this.#because === undefined) return;
		this.#because = undefined;
		this.#deps.log.info({ resource: resourceName(this.#target.resource) }, "watch is back");
		this.#deps.onEvent({ type: "fresh" });
	}

	#contact(): void {
		this.#lastContactMs = this.#deps.clock.monotonicMs();
	}
}
