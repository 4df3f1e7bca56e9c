// Writes the status of resources into the Kubernetes API while this replica leads. In: what became of the resources, asked for again
// and again; who leads. Out: server-side apply of the status of each, in the order and at the pace that the ledger says.

import type { Cancel, Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import type { CounterMetric, GaugeMetric, Metrics } from "../../../runtime/metrics.ts";
import { statusOf } from "../../client/api-object.ts";
import type { ApiAnswer, KubernetesClient } from "../../client/kubernetes-client.ts";
import { listObjects } from "../../client/list-objects.ts";
import { Refused } from "../../client/refused.ts";
import { apiVersionOf, pathOf } from "../../client/resource-path.ts";
import { readStatus } from "../read-status.ts";
import { type FateResource, keyOfFate, type ResourceFate } from "../resource-fate.ts";
import { defaultStatusPace, StatusLedger, type StatusPace, type StatusWrite } from "../status-ledger.ts";

export interface StatusWriterOptions {
	/** Who owns the fields, for server-side apply. Default `keepmesh-control`. */
	readonly fieldManager?: string;
	readonly pace?: StatusPace;
	/** How often what became of the resources is looked at. Default 1000; less often where a look takes long. */
	readonly lookMs?: number;
	/** How often what stands in the API is read again, for what others have written there. Default 10 minutes. */
	readonly readAgainMs?: number;
}

export interface StatusWriterDeps {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: Metrics;
	/** What became of every resource that has a status. */
	readonly fates: () => Promise<readonly ResourceFate[]>;
}

/** Looking takes at most this share of the time of the process, unless that would be too seldom. */
const lookShare = 1 / 20;
const maxLookMs = 15_000;
const maxPauseMs = 30_000;

export class StatusWriter {
	readonly #options: Required<StatusWriterOptions>;
	readonly #deps: StatusWriterDeps;
	readonly #writes: CounterMetric;
	readonly #waiting: GaugeMetric;
	#term: Term | undefined;

	constructor(options: StatusWriterOptions, deps: StatusWriterDeps) {
		this.#options = {
			fieldManager: "keepmesh-control",
			pace: defaultStatusPace,
			lookMs: 1000,
			readAgainMs: 600_000,
			...options,
		};
		this.#deps = deps;
		const { metrics } = deps;
		this.#writes = metrics.counter("keepmesh_status_writes_total", "Writes of statuses into the Kubernetes API.", [
			"outcome",
		]);
		this.#waiting = metrics.gauge("keepmesh_status_waiting", "Statuses that differ from what the Kubernetes API has.");
	}

	/** True: writing begins, from what stands in the API. False: nothing more is written. */
	lead(isLeader: boolean): void {
		if (isLeader === (this.#term !== undefined)) return;
		this.#term?.end();
		this.#waiting.set(0);
		this.#term = isLeader
			? new Term(this.#options, this.#deps, { writes: this.#writes, waiting: this.#waiting })
			: undefined;
		this.#term?.begin();
	}

	close(): void {
		this.lead(false);
	}
}

interface Counted {
	readonly writes: CounterMetric;
	readonly waiting: GaugeMetric;
}

/** From becoming the leader to being it no more. */
class Term {
	readonly #options: Required<StatusWriterOptions>;
	readonly #deps: StatusWriterDeps;
	readonly #counted: Counted;
	readonly #ledger: StatusLedger;
	readonly #over = new AbortController();
	#readMs: number | undefined;
	#nextLook: Cancel | undefined;
	#nextWrites: Cancel | undefined;
	#pauses = 0;
	#pausedUntilMs = 0;
	#told = "";

	constructor(options: Required<StatusWriterOptions>, deps: StatusWriterDeps, counted: Counted) {
		this.#options = options;
		this.#deps = deps;
		this.#counted = counted;
		this.#ledger = new StatusLedger(options.pace, deps.clock.monotonicMs());
	}

	begin(): void {
		void this.#look();
	}

	end(): void {
		this.#over.abort();
		this.#nextLook?.();
		this.#nextWrites?.();
	}

	get #isOver(): boolean {
		return this.#over.signal.aborted;
	}

	async #look(): Promise<void> {
		const { clock } = this.#deps;
		const startMs = clock.monotonicMs();
		try {
			const fates = await this.#deps.fates();
			if (this.#isOver) return;
			const nowMs = clock.monotonicMs();
			this.#ledger.want(fates, nowMs, new Date(clock.wallMs()).toISOString().replace(/\.\d+Z$/, "Z"));
			if (this.#readMs === undefined || nowMs - this.#readMs >= this.#options.readAgainMs) await this.#read(fates);
		} catch (error) {
			this.#pause("statuses could not be read", (error as Error).message);
		}
		if (this.#isOver) return;
		const tookMs = clock.monotonicMs() - startMs;
		this.#nextLook = clock.after(
			Math.max(this.#options.lookMs, Math.min(tookMs / lookShare, maxLookMs)),
			() => void this.#look(),
		);
		this.#write();
	}

	/** What stands in the API: another replica may have led before, and most of it is as it should be. */
	async #read(fates: readonly ResourceFate[]): Promise<void> {
		const resources = new Map<string, FateResource>();
		for (const { resource } of fates) resources.set(pathOf(resource), resource);
		for (const [path, resource] of resources) {
			const { client, clock } = this.#deps;
			const { signal } = this.#over;
			try {
				await listObjects(client, resource, path, { signal }, ({ metadata: { name, namespace = "" }, status }) => {
					this.#ledger.stands(keyOfFate({ resource, namespace, name }), readStatus(status), clock.monotonicMs());
				});
			} catch (error) {
				// The kind is gone, and the source of the resources will say so.
				if (!(error instanceof Refused && error.code === 404)) throw error;
			}
		}
		this.#readMs = this.#deps.clock.monotonicMs();
	}

	#write(): void {
		const { clock } = this.#deps;
		const nowMs = clock.monotonicMs();
		this.#nextWrites?.();
		this.#nextWrites = undefined;
		this.#counted.waiting.set(this.#ledger.waiting);
		// Whoever does not know what stands there would write everything anew.
		if (this.#isOver || this.#readMs === undefined) return;
		if (nowMs < this.#pausedUntilMs) {
			this.#nextWrites = clock.after(this.#pausedUntilMs - nowMs, () => this.#write());
			return;
		}
		const { nextMs, writes } = this.#ledger.next(nowMs);
		for (const write of writes) void this.#writeOne(write);
		if (nextMs !== undefined) this.#nextWrites = clock.after(nextMs - nowMs, () => this.#write());
	}

	async #writeOne(write: StatusWrite): Promise<void> {
		const outcome = await this.#send(write);
		if (this.#isOver) return;
		this.#counted.writes.add(1, { outcome });
		this.#ledger.ended(write.key, outcome === "written" ? "written" : "failed", this.#deps.clock.monotonicMs());
		this.#write();
	}

	async #send({ fate, key, status }: StatusWrite): Promise<"written" | "refused" | "unanswered"> {
		const { resource, namespace, name, uid } = fate;
		const metadata = { name, ...(resource.namespaced ? { namespace } : {}), ...(uid === undefined ? {} : { uid }) };
		let answer: ApiAnswer;
		try {
			answer = await this.#deps.client.request("PATCH", pathOf(resource, namespace, name, "status"), {
				body: { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata, status },
				contentType: "application/apply-patch+yaml",
				query: { fieldManager: this.#options.fieldManager, force: true },
				signal: this.#over.signal,
			});
		} catch (error) {
			if (!this.#isOver) this.#pause("statuses cannot be written", (error as Error).message);
			return "unanswered";
		}
		if (answer.status < 300) {
			this.#pauses = 0;
			this.#told = "";
			return "written";
		}
		const { message = "" } = statusOf(answer.status, answer.body);
		if (answer.status === 403 || answer.status === 429 || answer.status >= 500)
			this.#pause("statuses cannot be written", message, answer.retryAfterMs);
		// Gone, or made anew: the source of the resources will say so.
		else if (answer.status !== 404 && answer.status !== 409)
			this.#deps.log.warn({ resource: key, status: answer.status, because: message }, "status refused");
		return "refused";
	}

	/** Nothing of all this is urgent enough to press a server that does not answer. */
	#pause(what: string, because: string, askedMs = 0): void {
		const pauseMs = Math.max(askedMs, Math.min(maxPauseMs, 1000 * 2 ** Math.min(this.#pauses, 10)));
		const untilMs = this.#deps.clock.monotonicMs() + pauseMs;
		// Several writes fail at once: that is one failure.
		if (this.#deps.clock.monotonicMs() >= this.#pausedUntilMs) this.#pauses++;
		this.#pausedUntilMs = Math.max(this.#pausedUntilMs, untilMs);
		if (this.#told !== because) this.#deps.log.warn({ because, pauseMs }, what);
		this.#told = because;
	}
}
