// What a cluster's controllers and kubelets do, for a lab: Deployments and Pods of the resource directory become running pods,
// and Pods and EndpointSlices are written down for the control planes. Level-triggered: every change makes it look at all.

import { join } from "node:path";
import { type AnyObject, type ConfigObject, keyOf, type ObjectKey } from "../resources/config-object.ts";
import type { PodTemplateSpec } from "../resources/kinds/core.ts";
import type { Cancel, Clock } from "../runtime/clock.ts";
import type { Change } from "../snapshot/change.ts";
import { chooseNode } from "./plan/choose-node.ts";
import type { ImageRule } from "./plan/image-map.ts";
import { type LabNetwork, nextPodAddress } from "./plan/lab-network.ts";
import { type LabPod, renderStatus, type SelectingService } from "./plan/lab-pod.ts";
import { type DeploymentStatus, planDeployment } from "./plan/plan-deployment.ts";
import { hashName, stableText } from "./plan/text-hash.ts";
import { isGateway, PodRunner } from "./pod-runner.ts";
import type { StatusWriter } from "./status-writer.ts";

export interface WorkloadsOptions {
	readonly network: LabNetwork;
	/** Directory of one pod's files; the pod's own name is added. */
	readonly podsDirectory: string;
	readonly labFile: string;
	readonly images: readonly ImageRule[];
	/** State directory of a node's agent; undefined: pods get no proxy. */
	readonly agentStateOf: (node: string) => string | undefined;
	/** Hosts file for pods without DNS; empty: none. */
	readonly hosts: string;
	readonly env: Readonly<Record<string, string>>;
	/** How long a pod serves on after it has left the endpoints. Default 500 ms. */
	readonly drainMs?: number;
	/** Pods that may be starting at the same moment. Default 4. */
	readonly startsAtOnce?: number;
	/** Label `security.istio.io/tlsMode: istio` on pods with a sidecar, as an injector sets it: their proxy takes mutual TLS. */
	readonly mutualTls: boolean;
}

export interface WorkloadsParts {
	readonly clock: Clock;
	readonly status: StatusWriter;
	readonly onEvent: (about: string, what: string) => void;
	/** Something about a pod or the services changed. */
	readonly onChange: () => void;
	/** A random text for names and uids. */
	readonly newId: () => string;
}

export interface WorkloadStatus extends DeploymentStatus {
	readonly name: string;
	readonly namespace: string;
	readonly wanted: number;
	/** Why no pods are made; empty when they are. */
	readonly because: string;
}

export class Workloads {
	readonly #options: WorkloadsOptions;
	readonly #parts: WorkloadsParts;
	readonly #objects = new Map<ObjectKey, AnyObject>();
	/** By uid. */
	readonly #pods = new Map<string, PodRunner>();
	readonly #lastByte = new Map<number, number>();
	readonly #said = new Map<string, string>();
	#statuses: readonly WorkloadStatus[] = [];
	#waiting: PodRunner[] = [];
	#startingNow = 0;
	#scheduled = false;
	#closed = false;
	#cancelLook: Cancel = () => {};

	constructor(options: WorkloadsOptions, parts: WorkloadsParts) {
		this.#options = options;
		this.#parts = parts;
	}

	apply(changes: readonly Change[]): void {
		for (const change of changes) {
			if (change.type === "objectApplied") this.#objects.set(keyOf(change.object), change.object);
			else this.#objects.delete(change.key);
		}
		this.#look();
	}

	pods(): readonly LabPod[] {
		return [...this.#pods.values()].map((runner) => runner.pod);
	}

	runnerOf(name: string, namespace: string): PodRunner | undefined {
		return [...this.#pods.values()].find(({ pod }) => pod.name === name && pod.namespace === namespace);
	}

	services(): readonly SelectingService[] {
		return this.#of("Service").map(({ metadata: { name, namespace }, spec }) => ({ name, namespace, spec }));
	}

	deployments(): readonly WorkloadStatus[] {
		return this.#statuses;
	}

	/** Deletes one pod; its Deployment makes another. */
	async deletePod(name: string, namespace: string, graceMs?: number): Promise<boolean> {
		const runner = this.runnerOf(name, namespace);
		if (!runner) return false;
		await this.#remove(runner, graceMs);
		return true;
	}

	trimLogs(): void {
		for (const runner of this.#pods.values()) runner.trimLogs();
	}

	close(): void {
		this.#closed = true;
		this.#cancelLook();
	}

	#of<K extends AnyObject["kind"]>(kind: K): readonly ConfigObject<K>[] {
		return [...this.#objects.values()].filter((object) => object.kind === kind) as unknown as ConfigObject<K>[];
	}

	#changed(): void {
		if (this.#scheduled || this.#closed) return;
		this.#scheduled = true;
		queueMicrotask(() => {
			this.#scheduled = false;
			this.#look();
		});
	}

	#look(): void {
		if (this.#closed) return;
		const nowMs = this.#parts.clock.wallMs();
		const lookAgain: number[] = [];
		const owners = new Set<string>();
		const statuses: WorkloadStatus[] = [];
		for (const deployment of this.#of("Deployment")) {
			const { name, namespace } = deployment.metadata;
			const owner = keyOf(deployment as AnyObject);
			owners.add(owner);
			const missing = this.#missingAccount(namespace, deployment.spec.template.spec);
			const pods = this.#podsOf(owner);
			const plan = planDeployment(
				deployment.spec,
				pods.map(({ pod }) => ({
					name: pod.name,
					templateHash: pod.templateHash,
					createdMs: pod.createdMs,
					terminating: pod.deletedMs !== undefined,
					...(pod.readySinceMs === undefined ? {} : { readySinceMs: pod.readySinceMs }),
				})),
				nowMs,
			);
			if (plan.lookAgainAtMs !== undefined) lookAgain.push(plan.lookAgainAtMs);
			for (const { pod } of pods)
				if (plan.remove.includes(pod.name)) void this.#remove(this.#pods.get(pod.uid), undefined);
			const because = missing === undefined ? "" : `serviceaccount ${namespace}/${missing} not found`;
			this.#sayOnce(owner, because);
			const { labels = {}, annotations = {} } = deployment.spec.template.metadata ?? {};
			for (let made = 0; made < plan.create && missing === undefined; made++)
				this.#create({
					name: `${name}-${plan.templateHash}-${this.#parts.newId().slice(0, 5)}`,
					namespace,
					owner,
					templateHash: plan.templateHash,
					labels: { ...labels, "pod-template-hash": plan.templateHash },
					annotations,
					spec: deployment.spec.template.spec,
				});
			const wanted = deployment.spec.replicas ?? 1;
			statuses.push({ name, namespace, wanted, because, ...plan.status });
		}
		for (const pod of this.#of("Pod")) {
			const { name, namespace, labels, annotations } = pod.metadata;
			const owner = keyOf(pod as AnyObject);
			owners.add(owner);
			const { status: _, ...spec } = pod.spec;
			const missing = this.#missingAccount(namespace, spec);
			this.#sayOnce(owner, missing === undefined ? "" : `serviceaccount ${namespace}/${missing} not found`);
			const hash = hashName(stableText({ spec, labels, annotations }), 9);
			const existing = this.#podsOf(owner);
			for (const runner of existing) if (runner.pod.templateHash !== hash) void this.#remove(runner, undefined);
			if (existing.length === 0 && missing === undefined)
				this.#create({ name, namespace, owner, templateHash: hash, labels, annotations, spec });
		}
		for (const runner of this.#pods.values())
			if (!owners.has(runner.pod.owner) && runner.pod.deletedMs === undefined) void this.#remove(runner, undefined);
		this.#statuses = statuses;
		this.#startWaiting();
		this.#write();
		this.#cancelLook();
		if (lookAgain.length > 0)
			this.#cancelLook = this.#parts.clock.after(Math.max(1, Math.min(...lookAgain) - nowMs), () => this.#changed());
		this.#parts.onChange();
	}

	#podsOf(owner: string): readonly PodRunner[] {
		return [...this.#pods.values()].filter(({ pod }) => pod.owner === owner);
	}

	#missingAccount(namespace: string, spec: PodTemplateSpec): string | undefined {
		const name = spec.serviceAccountName;
		if (name === undefined || name === "" || name === "default") return undefined;
		return this.#objects.has(`ServiceAccount/${namespace}/${name}`) ? undefined : name;
	}

	#sayOnce(about: string, what: string): void {
		if (this.#said.get(about) === what) return;
		this.#said.set(about, what);
		if (what !== "") this.#parts.onEvent(about, what);
	}

	#create(
		made: Pick<LabPod, "name" | "namespace" | "owner" | "templateHash" | "labels" | "annotations" | "spec">,
	): void {
		const { network, agentStateOf, podsDirectory, images, labFile, hosts, env, mutualTls } = this.#options;
		const { clock, onEvent, newId } = this.#parts;
		const placed = this.pods().map((pod) => ({ node: pod.node, owner: pod.owner }));
		const names = network.nodes.map((node) => node.name);
		const chosen = chooseNode(names, placed, made.owner, made.spec.nodeName);
		const node = network.nodes.find(({ name }) => name === chosen);
		const used = new Set(this.pods().map((pod) => pod.address));
		const address = node && nextPodAddress(node, used, this.#lastByte.get(node.number) ?? 0);
		if (!node || address === undefined) {
			this.#sayOnce(made.owner, "no node has room for another pod");
			return;
		}
		this.#lastByte.set(node.number, Number(address.split(".")[3]));
		const inject = made.labels["sidecar.istio.io/inject"] ?? made.annotations["sidecar.istio.io/inject"];
		const agentState = inject === "false" ? undefined : agentStateOf(node.name);
		const about = `Pod/${made.namespace}/${made.name}`;
		const pod: LabPod = {
			...made,
			labels:
				agentState !== undefined && mutualTls && receives(made)
					? { ...made.labels, "security.istio.io/tlsMode": "istio" }
					: made.labels,
			uid: newId(),
			node: node.name,
			address,
			netns: `${network.prefix}pod-${node.number}-${address.split(".")[3]}`,
			createdMs: clock.wallMs(),
			proxy: "none",
			containers: [],
			message: "",
		};
		const runner = new PodRunner({
			pod,
			node,
			...(agentState === undefined ? {} : { agentState }),
			images,
			labFile,
			directory: join(podsDirectory, `${pod.namespace}.${pod.name}`),
			hosts,
			env,
			drainMs: this.#options.drainMs ?? 500,
			clock,
			onChange: () => this.#changed(),
			onEvent: (what) => onEvent(about, what),
		});
		this.#pods.set(pod.uid, runner);
		this.#waiting.push(runner);
		onEvent(about, `scheduled on ${node.name}`);
	}

	#startWaiting(): void {
		while (this.#startingNow < (this.#options.startsAtOnce ?? 4)) {
			const runner = this.#waiting.shift();
			if (!runner) return;
			if (runner.pod.deletedMs !== undefined) continue;
			this.#startingNow += 1;
			void runner.start().finally(() => {
				this.#startingNow -= 1;
				this.#changed();
			});
		}
	}

	async #remove(runner: PodRunner | undefined, graceMs: number | undefined): Promise<void> {
		if (!runner) return;
		const { pod } = runner;
		if (pod.deletedMs === undefined) this.#parts.onEvent(`Pod/${pod.namespace}/${pod.name}`, "is deleted");
		try {
			await runner.remove(graceMs);
		} catch (error) {
			this.#parts.onEvent(`Pod/${pod.namespace}/${pod.name}`, `could not be removed whole: ${String(error)}`);
		}
		this.#pods.delete(pod.uid);
		this.#changed();
	}

	#write(): void {
		const { status } = this.#parts;
		const wanted = renderStatus(this.pods(), this.services());
		for (const { name, object } of wanted) status.put(name, object);
		const names = new Set(wanted.map(({ name }) => name));
		for (const name of status.names()) if (!names.has(name)) status.remove(name);
	}
}

/** Does a sidecar take the pod's inbound connections? Gateways have listeners of their own, and some pods want no redirect. */
function receives(pod: Pick<LabPod, "annotations">): boolean {
	return !isGateway(pod) && pod.annotations["sidecar.istio.io/interceptionMode"] !== "NONE";
}
