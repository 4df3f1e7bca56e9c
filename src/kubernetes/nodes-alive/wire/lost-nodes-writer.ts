// Says in the API which nodes are lost, as the leader of the control planes: a ConfigMap for those that read only the API server,
// and an Event of the Node for people. In: verdicts. Out: writes, one at a time, again until one succeeds.

import type { Cancel, Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import { configMaps, events } from "../../client/api-resources.ts";
import type { KubernetesClient } from "../../client/kubernetes-client.ts";
import { pathOf } from "../../client/resource-path.ts";
import type { VerdictAction } from "../verdict-state.ts";
import { type LostNodesPlace, lostNodesObject } from "./lost-nodes-object.ts";

export interface LostNodesWriterOptions {
	readonly place: LostNodesPlace;
	/** Who says it: the Pod's name. */
	readonly reporter: string;
}

export interface LostNodesWriterDeps {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	/** It leads, or acts for a leader that is lost. */
	readonly isLeader: () => boolean;
}

type Verdict = Exclude<VerdictAction, { readonly type: "ask" }>;

const retryMs = 1_000;
/** A verdict that came while nobody led is told by the next leader. Later than this the leader of that time has told it. */
const tellLateMs = 30_000;

export class LostNodesWriter {
	readonly #options: LostNodesWriterOptions;
	readonly #deps: LostNodesWriterDeps;
	#nodes: readonly string[] = [];
	#written: string | undefined;
	#isWriting = false;
	#isClosed = false;
	/** Verdicts of which no Event has been written, oldest first. */
	#untold: readonly Said[] = [];
	#isTelling = false;
	#events = 0;
	#cancel: Cancel = () => {};
	#cancelTelling: Cancel = () => {};

	constructor(options: LostNodesWriterOptions, deps: LostNodesWriterDeps) {
		this.#options = options;
		this.#deps = deps;
	}

	/** All that are lost now. */
	set(nodes: readonly string[]): void {
		this.#nodes = [...nodes].sort();
		void this.#write();
	}

	/** It leads from now on: what the leader before it wrote may be another truth. */
	writeNow(): void {
		this.#written = undefined;
		void this.#write();
		void this.#tellAll();
	}

	tell(verdict: Verdict): void {
		const sentence = sentenceOf(verdict);
		if (!sentence) return;
		this.#untold = [...this.#untold, { ...sentence, atMs: this.#deps.clock.wallMs(), count: ++this.#events }];
		void this.#tellAll();
	}

	close(): void {
		this.#isClosed = true;
		this.#cancel();
		this.#cancelTelling();
	}

	async #write(): Promise<void> {
		const { client, clock, isLeader, log } = this.#deps;
		const text = this.#nodes.join();
		if (this.#isWriting || this.#isClosed || !isLeader() || text === this.#written) return;
		this.#isWriting = true;
		this.#cancel();
		const { name, namespace } = this.#options.place;
		let isWritten = false;
		try {
			const { status } = await client.request("PATCH", pathOf(configMaps, namespace, name), {
				contentType: "application/apply-patch+yaml",
				query: { fieldManager: "keepmesh", force: true },
				body: lostNodesObject({ name, namespace }, this.#nodes),
				timeoutMs: 3_000,
			});
			isWritten = status < 300;
			if (!isWritten) log.warn({ status }, "lost nodes cannot be written");
		} catch (error) {
			log.warn({ because: String(error) }, "lost nodes cannot be written");
		}
		this.#isWriting = false;
		if (isWritten) this.#written = text;
		if (isWritten) void this.#write();
		else if (!this.#isClosed) this.#cancel = clock.after(retryMs, () => void this.#write());
	}

	async #tellAll(): Promise<void> {
		const { clock, isLeader } = this.#deps;
		this.#untold = this.#untold.filter(({ atMs }) => clock.wallMs() - atMs < tellLateMs);
		const [first] = this.#untold;
		if (!first || this.#isTelling || this.#isClosed || !isLeader()) return;
		this.#isTelling = true;
		this.#cancelTelling();
		const isTold = await this.#event(first);
		this.#isTelling = false;
		if (isTold) this.#untold = this.#untold.filter((one) => one !== first);
		if (isTold) void this.#tellAll();
		else if (!this.#isClosed) this.#cancelTelling = clock.after(retryMs, () => void this.#tellAll());
	}

	/** False: it is worth another try. */
	async #event({ atMs, count, message, node, reason, type }: Said): Promise<boolean> {
		const { client, log } = this.#deps;
		const at = new Date(atMs).toISOString();
		const body = {
			apiVersion: "v1",
			kind: "Event",
			metadata: { name: `${node}.${Math.round(atMs).toString(16)}-${count}`, namespace: "default" },
			// A Node's events are found by its name, which stands for its uid as well, as with kubelet's own.
			involvedObject: { apiVersion: "v1", kind: "Node", name: node, uid: node },
			reason,
			message,
			type,
			firstTimestamp: at,
			lastTimestamp: at,
			count: 1,
			source: { component: "keepmesh-control" },
			reportingComponent: "keepmesh.io/control",
			reportingInstance: this.#options.reporter,
		};
		try {
			const { status } = await client.request("POST", pathOf(events, "default"), { body, timeoutMs: 3_000 });
			// That it is there already was the answer to a try that was not heard.
			if (status >= 300 && status !== conflict) log.warn({ status, node }, "an event of a node was refused");
			return status < 500 && status !== tooManyRequests;
		} catch (error) {
			log.warn({ node, because: String(error) }, "an event of a node cannot be written");
			return false;
		}
	}
}

const [conflict, tooManyRequests] = [409, 429];

interface Said extends Sentence {
	/** Milliseconds since the epoch. */
	readonly atMs: number;
	readonly count: number;
}

interface Sentence {
	readonly node: string;
	readonly reason: string;
	readonly message: string;
	readonly type: "Normal" | "Warning";
}

function sentenceOf(verdict: Verdict): Sentence | undefined {
	switch (verdict.type) {
		case "lost":
			if (verdict.observers.length === 0) return undefined;
			return {
				node: verdict.node,
				reason: "KeepmeshNodeLost",
				message: `nothing heard of it by ${verdict.observers.join(", ")} and the control plane: its pods get no new connections`,
				type: "Warning",
			};
		case "back":
			return {
				node: verdict.node,
				reason: "KeepmeshNodeBack",
				message: verdict.rebooted
					? "it is back after a boot: its pods get connections as they become ready"
					: "it is back: its pods get connections again",
				type: "Normal",
			};
		case "forgotten":
		case "held":
			return undefined;
		default:
			return verdict satisfies never;
	}
}
