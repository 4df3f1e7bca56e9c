// A Kubernetes API server as the source of resources. In: what it has, for as long as it answers. Out: changes and problems. While
// it does not answer, all that was known stays, and its age is told: an API server that is lost takes nothing out of the mesh.

import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import type { ResourceEvent } from "../../kubernetes/client/watch-resource.ts";
import {
	type AnyObject,
	type ConfigObject,
	type Kind,
	type ObjectKey,
	objectKey,
} from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { Change } from "../../snapshot/change.ts";
import type { ResourceSource } from "../resource-source.ts";
import { ApiLedger, type SeenObject } from "./api-ledger.ts";
import { KindWatches } from "./kind-watches.ts";
import { mayNeedSecrets, neededSecrets, selectorsOf } from "./needed-secrets.ts";
import type { ReadApiObject } from "./read-api-object.ts";
import { SecretWatches } from "./secret-watches.ts";
import { ServerLiveness } from "./server-liveness.ts";
import { SourceMemory } from "./source-memory.ts";
import { SourceMetrics } from "./source-metrics.ts";
import { kindOfKey, type SourceRecord } from "./source-record.ts";
import type { SourceRecordStore } from "./source-record-file.ts";
import type { SourceStatus } from "./source-status.ts";
import type { WatchedKind } from "./watched-kinds.ts";

export interface KubernetesSourceParts {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: Metrics;
	/** From 0 to below 1; for tests. */
	readonly random?: () => number;
	/** Of this control plane: resources that name another one (label istio.io/rev) are not read. Absent: all are. */
	readonly revision?: string;
	/** Where what is known is kept for the next process; absent: nowhere. */
	readonly store?: SourceRecordStore;
	/** One call for everything that was seen at once. */
	readonly onChanges: (changes: readonly Change[]) => void;
	readonly onProblems: (problems: readonly Problem[]) => void;
}

/** Which Secrets are needed is looked at once for all that changes within this time. */
const secretsAfterMs = 50;
/** A start does not wait longer than this for Secrets. */
const maxFirstSecretsMs = 5_000;
type Timer = "flush" | "secrets" | "firstSecrets";

export class KubernetesSource implements ResourceSource {
	readonly ready: Promise<void>;
	readonly #parts: KubernetesSourceParts;
	readonly #ledger = new ApiLedger();
	readonly #metrics: SourceMetrics;
	readonly #kinds: KindWatches;
	readonly #secrets: SecretWatches;
	readonly #liveness: ServerLiveness;
	readonly #memory: SourceMemory;
	readonly #becomeReady: () => void;
	readonly #read = Promise.withResolvers<void>();
	readonly #waiting = new Set<{ readonly isDone: () => boolean; readonly resolve: () => void }>();
	readonly #cancels = new Map<Timer, Cancel>();
	#selectors: ReadonlySet<string> = new Set();
	#queue: Change[] = [];
	#reported: readonly Problem[] = [];
	/** `kinds`: everything but Secrets has been read. */
	#phase: "reading" | "kinds" | "ready" = "reading";

	constructor(parts: KubernetesSourceParts) {
		this.#parts = parts;
		const { promise, resolve } = Promise.withResolvers<void>();
		this.ready = promise;
		this.#becomeReady = resolve;
		this.#metrics = new SourceMetrics(parts.metrics);
		const { client, clock } = parts;
		this.#secrets = new SecretWatches({
			...parts,
			onEvent: (event, key) => {
				// One that an earlier process knew.
				if (event.type === "synced" && event.objects.length === 0) this.#queueChanges(this.#ledger.remove(key));
				this.#onEvent("Secret", event);
			},
			onDropped: (key) => this.#queueChanges(this.#ledger.remove(key)),
		});
		this.#kinds = new KindWatches({
			...parts,
			onEvent: (kind, event) => this.#onEvent(kind, event),
			onDefinitions: () => this.#look(),
			onGone: (kind) => {
				this.#queueChanges(this.#ledger.replace(kind, []));
				this.#look();
			},
		});
		this.#liveness = new ServerLiveness(client, clock, {
			onLost: (because) => {
				parts.log.warn({ server: client.server, because }, "the API server does not answer");
				this.#memory.serverLost();
			},
			onBack: () => {
				parts.log.info({ server: client.server }, "the API server answers again");
				this.#retryNow();
			},
			onAsked: () => {
				this.status();
				if (this.#phase === "ready") this.#memory.confirmed();
			},
		});
		this.#memory = new SourceMemory({
			...parts,
			store: parts.store,
			server: client.server,
			record: () => this.#record(),
			ageMs: () => this.status().ageMs,
			waitingFor: () => (this.#phase === "reading" ? this.waitingFor() : undefined),
			isAway: () => !this.#liveness.hasAnswered || this.#kinds.stale() !== undefined,
			onRestore: (record) => this.#restore(record),
		});
	}

	/** Something of what is known comes from an earlier process. */
	get isRestored(): boolean {
		return this.#memory.restoredSinceMs !== undefined;
	}

	/** Resolves when the server itself has been read as a whole, or with `close`. */
	get read(): Promise<void> {
		return this.#read.promise;
	}

	current(key: ObjectKey): AnyObject | undefined {
		return this.#ledger.current(key);
	}

	/** Everything of the kind that the server has, as far as it is good. */
	inForce<K extends Kind>(kind: K): Iterable<ConfigObject<K>> {
		return this.#ledger.inForce(kind);
	}

	problems(): readonly Problem[] {
		return this.#ledger.problems();
	}

	/** Every object of the kind that there is, refused ones as well. */
	seen(kind: Kind): readonly (SeenObject & { readonly key: ObjectKey })[] {
		return this.#ledger.keys(kind).flatMap((key) => {
			const seen = this.#ledger.seen(key);
			return seen ? [{ key, ...seen }] : [];
		});
	}

	async rescan(): Promise<void> {
		this.#flush();
	}

	/** Finds out whether the server answers. */
	ask(): void {
		this.#liveness.ask();
	}

	/** It answered at this moment of the clock or later, and everything of it is known here. */
	isReadSince(ms: number): boolean {
		return this.#liveness.lastAnswerMs >= ms && this.#lateBecause() === undefined;
	}

	/** Resolves true when the object has come as it is since `version` (or is gone, without one), false after `withinMs`. */
	async sees(key: ObjectKey, version: string | undefined, withinMs: number): Promise<boolean> {
		const isDone = (): boolean => {
			const seen = this.#ledger.versionOf(key);
			return version === undefined ? seen === undefined : seen !== undefined && Number(seen) >= Number(version);
		};
		if (isDone()) return true;
		const { promise, resolve } = Promise.withResolvers<void>();
		const waiter = { isDone, resolve };
		this.#waiting.add(waiter);
		const cancel = this.#parts.clock.after(withinMs, resolve);
		await promise;
		cancel();
		this.#waiting.delete(waiter);
		return isDone();
	}

	/** What has not been read yet, in words; undefined once everything has. */
	waitingFor(): string | undefined {
		if (this.#phase === "ready") return undefined;
		return this.#kinds.waitingFor() ?? "secrets";
	}

	/** Undefined: the server has no such kind. */
	watchedKind(kind: Kind): WatchedKind | undefined {
		return this.#kinds.watchedKind(kind);
	}

	status(): SourceStatus {
		const { client, clock } = this.#parts;
		const stale = this.#kinds.stale();
		const restored = this.#memory.restoredSinceMs;
		const because = this.#lateBecause();
		const sinceMs = restored ?? Math.min(stale?.sinceMs ?? Number.POSITIVE_INFINITY, this.#liveness.lastAnswerMs);
		const isFresh = because === undefined;
		const status: SourceStatus = {
			server: client.server,
			isFresh,
			isRestored: restored !== undefined,
			ageMs: isFresh ? 0 : Math.round(clock.monotonicMs() - sinceMs),
			...(because === undefined ? {} : { because }),
			kinds: this.#kinds.statuses().map((one) => (one.isSynced ? one : { ...one, objects: this.#known(one.kind) })),
			secrets: this.#secrets.size,
		};
		this.#metrics.show(status);
		return status;
	}

	/** Why what is known here may be older than what the server has; undefined: it is not. */
	#lateBecause(): string | undefined {
		const { restoredSinceMs } = this.#memory;
		const unread =
			restoredSinceMs === undefined ? undefined : `not read since the start: ${this.#kinds.waitingFor() ?? "secrets"}`;
		return this.#kinds.stale()?.because ?? this.#liveness.because ?? unread;
	}

	close(): void {
		this.#kinds.close();
		this.#secrets.close();
		this.#liveness.close();
		for (const cancel of this.#cancels.values()) cancel();
		this.#memory.close();
		for (const { resolve } of this.#waiting) resolve();
		this.#becomeReady();
		this.#read.resolve();
	}

	#onEvent(kind: Kind, event: ResourceEvent<ReadApiObject>): void {
		switch (event.type) {
			case "synced":
				// Of Secrets each is watched by itself.
				if (kind === "Secret") for (const one of event.objects) this.#queueChanges(this.#ledger.apply(one));
				else this.#queueChanges(this.#ledger.replace(kind, event.objects));
				this.#look();
				break;
			case "applied":
				this.#queueChanges(this.#ledger.apply(event.object));
				break;
			case "removed":
				this.#queueChanges(this.#ledger.remove(objectKey(kind, event.namespace, event.name), event.uid));
				break;
			case "stale":
				this.#flush();
				this.#memory.serverLost();
				break;
			case "fresh":
				// Where one is answered the others are: they need not wait for the end of their pauses.
				this.#retryNow();
				break;
			default:
				event satisfies never;
		}
		this.#metrics.seen(kind, event);
	}

	#retryNow(): void {
		this.#kinds.retryNow();
		this.#secrets.retryNow();
	}

	#known(kind: Kind): number {
		return this.#ledger.keys(kind).length;
	}

	#record(): SourceRecord {
		const { server } = this.#parts.client;
		return { server, definitions: this.#kinds.definitions(), objects: this.#ledger.recorded() };
	}

	/** What has been read by now is newer, and stays. */
	#restore({ definitions, objects }: SourceRecord): void {
		this.#kinds.assume(definitions);
		const isUnread = (kind: Kind): boolean => this.watchedKind(kind) !== undefined && !this.#kinds.isRead(kind);
		for (const one of objects) if (isUnread(kindOfKey(one.key))) this.#queueChanges(this.#ledger.restore(one));
		this.#phase = "kinds";
		this.#needSecrets();
		for (const one of objects) if (this.#secrets.needs(one.key)) this.#queueChanges(this.#ledger.restore(one));
		this.#begin();
	}

	#queueChanges(changes: readonly Change[]): void {
		this.#queue.push(...changes);
		this.#arm("flush", 0, () => this.#flush());
	}

	/** Nothing goes out before everything is known: a mesh without half of its rules is another mesh. */
	#flush(): void {
		if (this.#phase !== "ready") return;
		const changes = this.#queue;
		this.#queue = [];
		if (changes.length > 0) {
			this.#memory.changed();
			this.#parts.onChanges(changes);
			this.#secretsMayHaveChanged(changes);
		}
		this.#report();
		for (const { isDone, resolve } of this.#waiting) if (isDone()) resolve();
	}

	#report(): void {
		const problems = this.#ledger.problems();
		if (problems === this.#reported) return;
		this.#reported = problems;
		this.#parts.onProblems(problems);
	}

	/** Has everything been read by now? */
	#look(): void {
		if (this.#phase === "reading" && this.#kinds.waitingFor() === undefined) {
			this.#phase = "kinds";
			this.#needSecrets();
			this.#arm("firstSecrets", maxFirstSecretsMs, () => this.#begin());
		}
		if (this.#phase === "kinds" && this.#secrets.isSynced) this.#begin();
		if (this.#phase !== "ready" || !this.isRestored) return;
		if (this.#kinds.waitingFor() !== undefined || !this.#secrets.isSynced) return;
		this.#memory.isPast();
		this.#read.resolve();
	}

	#begin(): void {
		if (this.#phase !== "kinds") return;
		this.#cancels.get("firstSecrets")?.();
		this.#phase = "ready";
		this.#flush();
		this.#becomeReady();
		if (!this.isRestored) this.#read.resolve();
	}

	#secretsMayHaveChanged(changes: readonly Change[]): void {
		const may = changes.some((change) =>
			change.type === "objectApplied"
				? mayNeedSecrets(change.object, this.#selectors)
				: /^(?:Gateway|DestinationRule)\//.test(change.key),
		);
		if (may) this.#arm("secrets", secretsAfterMs, () => this.#needSecrets());
	}

	#needSecrets(): void {
		const gateways = [...this.#ledger.inForce("Gateway")];
		this.#selectors = selectorsOf(gateways);
		const destinationRules = this.#ledger.inForce("DestinationRule");
		this.#secrets.need(neededSecrets({ gateways, destinationRules, pods: this.#ledger.inForce("Pod") }));
	}

	/** Once, however often it is asked for meanwhile. */
	#arm(name: Timer, afterMs: number, run: () => void): void {
		if (this.#cancels.has(name)) return;
		const cancel = this.#parts.clock.after(afterMs, () => {
			this.#cancels.delete(name);
			run();
		});
		this.#cancels.set(name, cancel);
	}
}
