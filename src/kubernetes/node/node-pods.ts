// The pods of this node that have our proxy. In: the API server's word on them, sandboxes as the CNI plug-in tells of them. Out:
// each is served by the node's agent from before its first container runs until its network is gone. What an earlier agent
// served goes on without the API server.

import { existsSync } from "node:fs";
import type { AddOutcome } from "../../node/node-agent.ts";
import { type PodSpec, parsePodSpec } from "../../node/plan/pod-spec.ts";
import type { PodSupervisor } from "../../node/pod-supervisor.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { RawObject } from "../client/api-object.ts";
import { pods as podResource } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { pathOf } from "../client/resource-path.ts";
import { type ResourceEvent, type ResourceWatch, watchResource } from "../client/watch-resource.ts";
import type { NewSandbox } from "../cni/plugin-requests.ts";
import type { AdoptedPods } from "./adopted-pods.ts";
import type { BypassedPods } from "./bypassed-pods.ts";
import { addressesIn, findNamespace } from "./find-namespace.ts";
import { type NodePod, type PodPlace, podRequest, readNodePod } from "./node-pod.ts";

/** What is needed of the node's agent. */
export interface ServingAgent {
	supervisorOf(uid: string): PodSupervisor | undefined;
	supervisors(): readonly PodSupervisor[];
	add(pod: PodSpec): Promise<AddOutcome>;
	remove(uid: string, graceMs: number): Promise<unknown>;
}

export interface NodePodsOptions {
	/** `metadata.name` of the Node. */
	readonly node: string;
	/** Of the Node, by its labels. */
	readonly locality: () => PodPlace["locality"];
}

export interface NodePodsDeps {
	readonly client: KubernetesClient;
	readonly agent: () => ServingAgent;
	readonly clock: Clock;
	readonly log: Log;
	/** Pods with Istio's own sidecar. */
	readonly adopted?: AdoptedPods;
	/** Bypasses that Pods ask for. */
	readonly bypassed?: BypassedPods;
	/** The pod was told to end. */
	readonly onLeaving?: (uid: string) => void;
}

/** For pods that no plug-in told of. */
const searchMs = 250;
/** Of these searches one also looks for pods that kubelet has not given an address yet. */
const unknownEvery = 8;
const reconcileMs = 2_000;
const askMs = 3_000;

export class NodePods {
	readonly #options: NodePodsOptions;
	readonly #deps: NodePodsDeps;
	readonly #pods = new Map<string, NodePod>();
	/** Work on one pod, one thing after the other. */
	readonly #work = new Map<string, Promise<unknown>>();
	readonly #refused = new Map<string, string>();
	#watch: ResourceWatch | undefined;
	#searches = 0;
	#cancelSearch: Cancel = () => {};
	#cancelReconcile: Cancel = () => {};

	constructor(options: NodePodsOptions, deps: NodePodsDeps) {
		this.#options = options;
		this.#deps = deps;
	}

	open(): void {
		const { client, clock, log } = this.#deps;
		this.#watch = watchResource(
			client,
			{ resource: podResource, fieldSelector: `spec.nodeName=${this.#options.node}`, keep: readNodePod },
			{ clock, log, onEvent: (event) => this.#onEvent(event) },
		);
		this.#search();
		this.#reconcile();
	}

	close(): void {
		this.#watch?.close();
		this.#cancelSearch();
		this.#cancelReconcile();
	}

	/** Whether the API server can be asked, and what it has told. */
	status() {
		return this.#watch?.status();
	}

	get(uid: string): NodePod | undefined {
		return this.#pods.get(uid);
	}

	/** For the CNI plug-in: resolves when the pod's redirect stands, or with why it does not. */
	async prepare(sandbox: NewSandbox): Promise<string | undefined> {
		const pod = await this.#ask(sandbox);
		if (typeof pod === "string") return this.#prepareKnown(sandbox) ?? pod;
		const { injected } = pod;
		if (!injected) return undefined;
		return this.#inOrder(pod.uid, async () => {
			const { ips, netns } = sandbox;
			const because = await this.#serve(pod, { netns, ips: ips.length > 0 ? ips : pod.ips });
			return because ?? this.#redirected(pod.uid);
		});
	}

	/** The API server does not answer: a pod that was served before is served again. */
	#prepareKnown({ ips, netns, uid }: NewSandbox): Promise<string | undefined> | undefined {
		const known = this.#deps.agent().supervisorOf(uid)?.pod;
		if (!known) return undefined;
		return this.#inOrder(uid, async () => {
			const because = await this.#add({ ...known, netns, ips });
			return because ?? this.#redirected(uid);
		});
	}

	/** As the API server has it now; a text when it does not answer. */
	async #ask({ name, namespace, uid }: NewSandbox): Promise<NodePod | string> {
		const known = this.#pods.get(uid);
		if (known) return known;
		const path = pathOf(podResource, namespace, name);
		try {
			const { body, status } = await this.#deps.client.request("GET", path, { timeoutMs: askMs });
			if (status !== 200) return `the API server answered ${status} for pod ${namespace}/${name}`;
			const pod = readNodePod(body as RawObject);
			return uid === "" || pod.uid === uid ? pod : `pod ${namespace}/${name} has been replaced`;
		} catch (error) {
			return error instanceof Error ? error.message : String(error);
		}
	}

	#onEvent(event: ResourceEvent<NodePod>): void {
		switch (event.type) {
			case "synced":
				for (const pod of event.objects) this.#applied(pod);
				break;
			case "applied":
				this.#applied(event.object);
				break;
			case "removed":
				this.#pods.delete(event.uid);
				this.#refused.delete(event.uid);
				this.#deps.adopted?.forget(event.uid);
				this.#deps.bypassed?.forget(event.uid);
				break;
			case "stale":
				this.#deps.log.warn({ because: event.because }, "the API server cannot be asked; pods are served on as known");
				break;
			case "fresh":
				this.#deps.log.info({}, "the API server can be asked again");
				break;
			default:
				event satisfies never;
		}
	}

	#applied(pod: NodePod): void {
		this.#deps.adopted?.follow(pod);
		this.#deps.bypassed?.follow(pod);
		if (!pod.injected) return;
		this.#pods.set(pod.uid, pod);
		if (pod.isLeaving) this.#deps.onLeaving?.(pod.uid);
		const supervisor = this.#deps.agent().supervisorOf(pod.uid);
		// Its applications still end what they do, and call others meanwhile.
		if (pod.isLeaving && supervisor?.state.phase === "ready") supervisor.drain();
	}

	/** Pods whose sandbox was made before the plug-in was there, or where there is none. */
	#search(): void {
		for (const pod of this.#pods.values()) {
			if (pod.isOver || this.#work.has(pod.uid) || this.#refused.has(pod.uid)) continue;
			if (this.#deps.agent().supervisorOf(pod.uid)) continue;
			// While a hook runs kubelet does not say what it knows.
			if (pod.ips.length === 0 && this.#searches % unknownEvery !== 0) continue;
			const netns = findNamespace(pod.uid);
			if (netns === undefined) continue;
			const ips = pod.ips.length > 0 ? pod.ips : addressesIn(netns);
			if (ips.length > 0) void this.#inOrder(pod.uid, () => this.#serve(pod, { netns, ips }));
		}
		this.#searches++;
		this.#cancelSearch = this.#deps.clock.after(searchMs, () => this.#search());
	}

	/** A pod's network goes when its sandbox does, whatever the API server says of the pod. */
	#reconcile(): void {
		for (const { pod } of this.#deps.agent().supervisors())
			if (!existsSync(pod.netns) && !this.#work.has(pod.uid))
				void this.#inOrder(pod.uid, () => this.#deps.agent().remove(pod.uid, 0));
		this.#cancelReconcile = this.#deps.clock.after(reconcileMs, () => this.#reconcile());
	}

	async #serve(pod: NodePod, { ips, netns }: Pick<PodPlace, "ips" | "netns">): Promise<string | undefined> {
		if (!pod.injected) return undefined;
		const request = podRequest(pod, pod.injected, { ips, netns, locality: this.#options.locality() });
		const parsed = parsePodSpec(request);
		if (!parsed.ok)
			return this.#refuse(
				pod.uid,
				parsed.problems.map(({ path, message }) => `${path} ${message}`),
			);
		return this.#add(parsed.pod);
	}

	async #add(pod: PodSpec): Promise<string | undefined> {
		const agent = this.#deps.agent();
		const known = agent.supervisorOf(pod.uid)?.pod;
		if (known?.netns === pod.netns) return undefined;
		// Kubelet has made another sandbox for the same pod.
		if (known) await agent.remove(pod.uid, 0);
		const added = await agent.add(pod);
		if (added.ok) {
			this.#refused.delete(pod.uid);
			return undefined;
		}
		return this.#refuse(
			pod.uid,
			added.problems.map(({ path, message }) => `${path} ${message}`),
		);
	}

	#refuse(uid: string, reasons: readonly string[]): string {
		const because = reasons.join("; ");
		if (this.#refused.get(uid) !== because) this.#deps.log.error({ uid, because }, "a pod cannot be served");
		this.#refused.set(uid, because);
		return because;
	}

	async #redirected(uid: string): Promise<string | undefined> {
		const supervisor = this.#deps.agent().supervisorOf(uid);
		if (!supervisor) return "the pod is gone";
		const state = await supervisor.when(
			({ phase, redirected }) => redirected || phase === "failed" || phase === "stopped",
		);
		if (state.redirected) return undefined;
		return "because" in state ? state.because : "the pod is being removed";
	}

	#inOrder<Result>(uid: string, work: () => Promise<Result>): Promise<Result> {
		const done = (this.#work.get(uid) ?? Promise.resolve()).then(work, work);
		const settled = done.catch((error: unknown) => {
			this.#deps.log.error({ uid, because: String(error) }, "work on a pod failed");
		});
		this.#work.set(uid, settled);
		void settled.then(() => {
			if (this.#work.get(uid) === settled) this.#work.delete(uid);
		});
		return done;
	}
}
