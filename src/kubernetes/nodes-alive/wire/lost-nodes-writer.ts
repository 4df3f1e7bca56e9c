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

export class LostNodesWriter {
	readonly #options: LostNodesWriterOptions;
	readonly #deps: LostNodesWriterDeps;
	#nodes: readonly string[] = [];
	#written: string | undefined;
	#isWriting = false;
	#isClosed = false;
	#events = 0;
	#cancel: Cancel = () => {};

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
	}

	tell(verdict: Verdict): void {
		if (!this.#deps.isLeader()) return;
		const said = sentenceOf(verdict);
		if (said) void this.#event(said);
	}

	close(): void {
		this.#isClosed = true;
		this.#cancel();
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

	async #event({ message, node, reason, type }: Said): Promise<void> {
		const { client, clock, log } = this.#deps;
		const now = new Date(clock.wallMs()).toISOString();
		const count = ++this.#events;
		const body = {
			apiVersion: "v1",
			kind: "Event",
			metadata: { name: `${node}.${Math.round(clock.wallMs()).toString(16)}-${count}`, namespace: "default" },
			// A Node's events are found by its name, which stands for its uid as well, as with kubelet's own.
			involvedObject: { apiVersion: "v1", kind: "Node", name: node, uid: node },
			reason,
			message,
			type,
			firstTimestamp: now,
			lastTimestamp: now,
			count: 1,
			source: { component: "keepmesh-control" },
			reportingComponent: "keepmesh.io/control",
			reportingInstance: this.#options.reporter,
		};
		try {
			const { status } = await client.request("POST", pathOf(events, "default"), { body, timeoutMs: 3_000 });
			if (status >= 300) log.debug({ status, node }, "an event of a node was refused");
		} catch (error) {
			log.debug({ node, because: String(error) }, "an event of a node cannot be written");
		}
	}
}

interface Said {
	readonly node: string;
	readonly reason: string;
	readonly message: string;
	readonly type: "Normal" | "Warning";
}

function sentenceOf(verdict: Verdict): Said | undefined {
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
