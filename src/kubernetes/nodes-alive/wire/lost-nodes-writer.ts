// Says in the API which nodes are lost, as the leader of the control planes: a ConfigMap for those that read only the API server,
// and an Event of the Node for people. In: verdicts. Out: writes to the API server.

import type { Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import { configMaps, events } from "../../client/api-resources.ts";
import { askServer } from "../../client/ask-server.ts";
import type { KubernetesClient } from "../../client/kubernetes-client.ts";
import { pathOf } from "../../client/resource-path.ts";
import { WriteQueue } from "../../client/write-queue.ts";
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
const timeoutMs = 3_000;
/** A verdict that came while nobody led is told by the next leader. Later than this the leader of that time has told it. */
const keepMs = 30_000;

export class LostNodesWriter {
	readonly #options: LostNodesWriterOptions;
	readonly #deps: LostNodesWriterDeps;
	/** Apart from each other: an Event that is refused for now must not hold the truth up. */
	readonly #state: WriteQueue<readonly string[]>;
	readonly #events: WriteQueue<Said>;
	#nodes: readonly string[] = [];
	#written: string | undefined;
	#told = 0;

	constructor(options: LostNodesWriterOptions, deps: LostNodesWriterDeps) {
		this.#options = options;
		this.#deps = deps;
		const { isLeader: mayWrite } = deps;
		this.#state = new WriteQueue(
			{ what: "the lost nodes", write: (nodes) => this.#writeNodes(nodes), mayWrite, retryMs, givesUp: false },
			deps,
		);
		this.#events = new WriteQueue(
			{ what: "a node's event", write: (said) => this.#writeEvent(said), mayWrite, retryMs, keepMs },
			deps,
		);
	}

	/** All that are lost now. */
	set(nodes: readonly string[]): void {
		this.#nodes = [...nodes].sort();
		this.#state.set("nodes", this.#nodes);
		this.#state.resume();
	}

	/** It leads from now on: what the leader before it wrote may be another truth. */
	writeNow(): void {
		this.#written = undefined;
		this.set(this.#nodes);
		this.#events.resume();
	}

	tell(verdict: Verdict): void {
		const sentence = sentenceOf(verdict);
		if (!sentence) return;
		const count = ++this.#told;
		this.#events.set(String(count), { ...sentence, atMs: this.#deps.clock.wallMs(), count });
		this.#events.resume();
	}

	close(): void {
		this.#state.close();
		this.#events.close();
	}

	async #writeNodes(nodes: readonly string[]): Promise<void> {
		const text = nodes.join();
		if (text === this.#written) return;
		const { name, namespace } = this.#options.place;
		await askServer(this.#deps.client, "PATCH", pathOf(configMaps, namespace, name), {
			contentType: "application/apply-patch+yaml",
			query: { fieldManager: "keepmesh", force: true },
			body: lostNodesObject({ name, namespace }, nodes),
			timeoutMs,
		});
		this.#written = text;
	}

	async #writeEvent({ atMs, count, message, node, reason, type }: Said): Promise<void> {
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
		await askServer(this.#deps.client, "POST", pathOf(events, "default"), { body, timeoutMs });
	}
}

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
