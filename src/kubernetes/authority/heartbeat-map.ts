// What each replica of the control plane says of its proxies during a rotation, in one ConfigMap with a key for each replica. While
// no rotation runs nothing is written, but for one line of each replica when it starts, and when somebody asks. While one runs: at
// most every `fastestMs` when something changed, else every `slowestMs`, each replica its own key only, so writes never collide.

import { randomUUID } from "node:crypto";
import type { Heartbeat } from "../../identity/authority/rotation-store.ts";
import type { ReplicaReport } from "../../identity/rotation/find-blockers.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { RawObject } from "../client/api-object.ts";
import { configMaps, pods } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { Refused } from "../client/refused.ts";
import { pathOf } from "../client/resource-path.ts";
import { type ResourceWatch, watchResource } from "../client/watch-resource.ts";
import { readHeartbeat, renderHeartbeat, type SharedHeartbeat } from "./heartbeat-text.ts";

export interface HeartbeatMapOptions {
	readonly namespace: string;
	/** Of the ConfigMap: `keepmesh-rotation`. */
	readonly name: string;
	/** Of this replica: its Pod's. */
	readonly replica: string;
	/** Default 2,000. */
	readonly fastestMs?: number;
	/** Default 10,000. */
	readonly slowestMs?: number;
	/** How long `gather` waits for the others' answers. Default 2,000. */
	readonly gatherMs?: number;
}

export interface HeartbeatMapParts {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	readonly onWritten?: () => void;
}

interface Entries {
	readonly asked: string | undefined;
	readonly replicas: Readonly<Record<string, string>>;
}

interface Known {
	readonly heartbeat: SharedHeartbeat;
	readonly text: string;
	/** When its latest beat came, on this replica's clock. */
	readonly sinceMs: number;
}

const askedKey = "asked";
const lookForPodsMs = 10_000;
const farewellMs = 2_000;

export class HeartbeatMap {
	readonly #options: HeartbeatMapOptions;
	readonly #parts: HeartbeatMapParts;
	readonly #known = new Map<string, Known>();
	readonly #forgotten = new Set<string>();
	#own: SharedHeartbeat | undefined;
	#isPod: boolean | undefined;
	#written = { content: "", atMs: Number.NEGATIVE_INFINITY, isWriting: false };
	#asked: string | undefined;
	#lookedForPodsMs = Number.NEGATIVE_INFINITY;
	#watch: ResourceWatch | undefined;
	#isClosed = false;
	readonly #underWay = new Set<Promise<void>>();

	constructor(options: HeartbeatMapOptions, parts: HeartbeatMapParts) {
		this.#options = options;
		this.#parts = parts;
	}

	follow(): void {
		const { client, clock, log } = this.#parts;
		const { name, namespace } = this.#options;
		const target = { resource: configMaps, namespace, fieldSelector: `metadata.name=${name}`, keep: entriesOf(name) };
		this.#watch = watchResource<Entries>(client, target, {
			clock,
			log,
			onEvent: (event) => {
				if (event.type === "synced") for (const entries of event.objects) this.#take(entries);
				else if (event.type === "applied") this.#take(event.object);
				else if (event.type === "removed") this.#take({ asked: undefined, replicas: {} });
			},
		});
	}

	/** What this replica says now; the API server hears of it when it is time. */
	say(heartbeat: Heartbeat, isRotating: boolean): void {
		this.#own = { ...heartbeat, isPod: this.#isPod ?? true };
		const { clock } = this.#parts;
		const { fastestMs = 2_000, slowestMs = 10_000 } = this.#options;
		const agoMs = clock.monotonicMs() - this.#written.atMs;
		const isFirst = this.#written.content === "";
		const isDue = agoMs >= (contentOf(this.#own) === this.#written.content ? slowestMs : fastestMs);
		if (isFirst || (isRotating && isDue)) this.#write();
	}

	/** Others are asked for theirs; resolves when all who are known have answered, or it has been long enough. */
	async gather(): Promise<void> {
		const { clock } = this.#parts;
		const { gatherMs = 2_000, replica } = this.#options;
		const beats = new Map([...this.#known].map(([name, { heartbeat }]) => [name, heartbeat.beat]));
		beats.delete(replica);
		await this.#patch({ data: { [askedKey]: randomUUID() } });
		const endMs = clock.monotonicMs() + gatherMs;
		const isWaiting = (): boolean =>
			[...beats].some(([name, beat]) => this.#known.get(name)?.heartbeat.beat === beat && !this.#forgotten.has(name));
		while (isWaiting() && clock.monotonicMs() < endMs) await new Promise<void>((done) => clock.after(50, done));
		await this.#forgetGone([...beats].flatMap(([name, beat]) => (this.#beatOf(name) === beat ? [name] : [])));
	}

	/** `fresh`: a new beat of it was seen in the last `staleMs`. */
	reports(nowMs: number, staleMs: number): readonly ReplicaReport[] {
		const { replica } = this.#options;
		const others = [...this.#known].flatMap(([name, { heartbeat, sinceMs }]) => {
			if (name === replica || this.#forgotten.has(name)) return [];
			const { beat: _, isPod: __, ...report } = heartbeat;
			return [{ ...report, fresh: nowMs - sinceMs <= staleMs }];
		});
		if (!this.#own) return others;
		const { beat: _, isPod: __, ...own } = this.#own;
		return [{ ...own, fresh: true }, ...others];
	}

	/** False: nobody of this name is known. */
	forget(replica: string): boolean {
		const isOwn = replica === this.#options.replica;
		if (!this.#known.has(replica) && !isOwn) return false;
		this.#forgotten.add(replica);
		this.#report(this.#patch({ binaryData: { [replica]: null } }));
		return true;
	}

	/** Those that fell silent and whose Pod is gone are forgotten; looked for now and then. */
	lookForGone(nowMs: number, staleMs: number): void {
		if (nowMs - this.#lookedForPodsMs < lookForPodsMs) return;
		const silent = this.reports(nowMs, staleMs).flatMap(({ fresh, replica }) => (fresh ? [] : [replica]));
		if (silent.length === 0) return;
		this.#lookedForPodsMs = nowMs;
		this.#report(this.#forgetGone(silent));
	}

	/** Resolves when what is being written is written, or takes too long. */
	async close(): Promise<void> {
		this.#isClosed = true;
		this.#watch?.close();
		const given = Promise.withResolvers<void>();
		const cancel = this.#parts.clock.after(farewellMs, () => given.resolve());
		await Promise.race([Promise.all(this.#underWay), given.promise]);
		cancel();
	}

	#beatOf(replica: string): string | undefined {
		return this.#known.get(replica)?.heartbeat.beat;
	}

	async #forgetGone(replicas: readonly string[]): Promise<void> {
		for (const replica of replicas) {
			if (this.#known.get(replica)?.heartbeat.isPod === false || (await this.#isThere(replica))) continue;
			this.#parts.log.info({ replica }, "a control plane whose Pod is gone is not waited for");
			this.forget(replica);
		}
	}

	async #isThere(pod: string): Promise<boolean> {
		const { status } = await this.#parts.client.request("GET", pathOf(pods, this.#options.namespace, pod));
		return status !== 404;
	}

	#take({ asked, replicas }: Entries): void {
		const nowMs = this.#parts.clock.monotonicMs();
		for (const [name, text] of Object.entries(replicas)) {
			const before = this.#known.get(name);
			if (before?.text === text) continue;
			const heartbeat = readHeartbeat(name, text);
			// Seen for the first time it may be old: the next one has to come.
			const sinceMs = before ? nowMs : Number.NEGATIVE_INFINITY;
			this.#known.set(name, { heartbeat, text, sinceMs });
			this.#forgotten.delete(name);
		}
		for (const name of this.#known.keys()) if (!(name in replicas)) this.#known.delete(name);
		if (asked === this.#asked) return;
		const isQuestion = this.#asked !== undefined || this.#written.content !== "";
		this.#asked = asked;
		if (asked !== undefined && isQuestion && this.#own) {
			this.#own = { ...this.#own, beat: randomUUID() };
			this.#write();
		}
	}

	#write(): void {
		if (this.#written.isWriting || this.#isClosed || !this.#own) return;
		this.#written.isWriting = true;
		this.#report(
			this.#writeOwn(this.#own).finally(() => {
				this.#written.isWriting = false;
			}),
		);
	}

	async #writeOwn(heartbeat: SharedHeartbeat): Promise<void> {
		const { replica } = this.#options;
		this.#isPod ??= await this.#isThere(replica);
		await this.#patch({ binaryData: { [replica]: renderHeartbeat({ ...heartbeat, isPod: this.#isPod }) } });
		this.#written = { ...this.#written, content: contentOf(heartbeat), atMs: this.#parts.clock.monotonicMs() };
	}

	async #patch(change: Readonly<Record<string, Readonly<Record<string, string | null>>>>): Promise<void> {
		const { client, onWritten } = this.#parts;
		const { name, namespace } = this.#options;
		const patch = (): ReturnType<KubernetesClient["request"]> =>
			client.request("PATCH", pathOf(configMaps, namespace, name), { body: change });
		let answer = await patch();
		if (answer.status === 404) {
			const metadata = { namespace, name, labels: { "app.kubernetes.io/part-of": "keepmesh" } };
			const body = { apiVersion: "v1", kind: "ConfigMap", metadata };
			const made = await client.request("POST", pathOf(configMaps, namespace), { body });
			if (made.status >= 300 && made.status !== 409) throw Refused.of(made);
			answer = await patch();
		}
		if (answer.status >= 300) throw Refused.of(answer);
		onWritten?.();
	}

	/** It is tried again at the next look. */
	#report(work: Promise<void>): void {
		const { log } = this.#parts;
		const ended = work
			.catch((error: unknown) => {
				if (!this.#isClosed) log.warn({ because: String(error) }, "the ConfigMap of rotations cannot be written");
			})
			.finally(() => this.#underWay.delete(ended));
		this.#underWay.add(ended);
	}
}

function entriesOf(name: string): (raw: RawObject) => Entries | undefined {
	return (raw) => {
		const { binaryData, data, metadata } = raw as RawObject & {
			readonly binaryData?: Readonly<Record<string, string>>;
			readonly data?: Readonly<Record<string, string>>;
		};
		return metadata.name === name ? { asked: data?.[askedKey], replicas: binaryData ?? {} } : undefined;
	};
}

/** Without what changes each time. */
function contentOf({ beat: _, isPod: __, ...content }: SharedHeartbeat): string {
	return JSON.stringify(content);
}
