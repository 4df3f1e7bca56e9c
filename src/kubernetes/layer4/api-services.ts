// Services as layer 4 needs them, from an API server: Services, their EndpointSlices, this machine's Node, and which nodes are
// lost. Out: nothing before all of it is known; then everything, then changes, those of one moment together. While the server
// cannot be asked, what was told stays.

import { keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Change } from "../../snapshot/change.ts";
import { type ReadApiObject, readApiObject } from "../../sources/kubernetes/read-api-object.ts";
import type { RawObject } from "../client/api-object.ts";
import { configMaps } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import type { ApiResource } from "../client/resource-path.ts";
import { type ResourceEvent, type ResourceWatch, watchResource } from "../client/watch-resource.ts";
import { type LostNodesPlace, lostNodesOf } from "../nodes-alive/wire/lost-nodes-object.ts";
import { type Layer4Node, layer4Node } from "./node-object.ts";

const services = resource("Service", "services");
const slices = resource("EndpointSlice", "endpointslices", "discovery.k8s.io");
const nodes = { ...resource("Node", "nodes"), namespaced: false };
/** Those of other proxies, and those that have no address, are not even asked for. */
const ours = "!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless";

export interface ApiServicesOptions {
	/** Name of this machine's Node. */
	readonly node: string;
	/** Where control planes write which nodes are lost. */
	readonly lostNodes?: LostNodesPlace;
}

export interface ApiServicesDeps {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	/** Comes before the first changes. */
	readonly onNode: (node: Layer4Node) => void;
	readonly onChanges: (changes: readonly Change[]) => void;
	readonly onLost: (nodes: ReadonlySet<string>) => void;
}

type Held = Pick<ReadApiObject, "key" | "object" | "problems">;

export class ApiServices {
	readonly #options: ApiServicesOptions;
	readonly #deps: ApiServicesDeps;
	readonly #watches = new Map<string, ResourceWatch>();
	readonly #ready = Promise.withResolvers<void>();
	readonly #waiting = new Set(["Service", "EndpointSlice", "Node"]);
	readonly #problems = new Map<ObjectKey, readonly Problem[]>();
	#pending: Change[] = [];
	#node: Layer4Node | undefined;
	#isScheduled = false;
	#isClosed = false;

	constructor(options: ApiServicesOptions, deps: ApiServicesDeps) {
		this.#options = options;
		this.#deps = deps;
	}

	/** Resolves once everything was told for the first time. */
	get ready(): Promise<void> {
		return this.#ready.promise;
	}

	open(): void {
		const { lostNodes, node } = this.#options;
		this.#follow("Service", services);
		this.#follow("EndpointSlice", slices);
		this.#watch("Node", {
			resource: nodes,
			fieldSelector: `metadata.name=${node}`,
			keep: layer4Node,
			take: (event) => this.#takeNode(event),
		});
		if (!lostNodes) return;
		this.#watch("ConfigMap", {
			resource: configMaps,
			namespace: lostNodes.namespace,
			fieldSelector: `metadata.name=${lostNodes.name}`,
			keep: lostNodesOf,
			take: (event) => {
				if (event.type === "synced") this.#deps.onLost(new Set(event.objects[0]));
				else if (event.type === "applied") this.#deps.onLost(new Set(event.object));
				else if (event.type === "removed") this.#deps.onLost(new Set());
			},
		});
	}

	/** What is not as fresh as it should be, or is missing; what is wrong with objects. */
	problems(): readonly { readonly about: string; readonly because: string }[] {
		const found = [...this.#watches].flatMap(([kind, watch]) => {
			const { because, lastContactMs } = watch.status();
			if (because === undefined) return [];
			const ageSec = Math.round((this.#deps.clock.monotonicMs() - lastContactMs) / 1000);
			return [{ about: `${kind} at the API server`, because: `what is known is ${ageSec} s old: ${because}` }];
		});
		const wrong = [...this.#problems].flatMap(([key, problems]) =>
			problems
				.filter(({ severity }) => severity === "error")
				.map(({ message, path }) => ({ about: key, because: `${path}: ${message}` })),
		);
		return [...found, ...wrong];
	}

	close(): void {
		this.#isClosed = true;
		for (const watch of this.#watches.values()) watch.close();
	}

	#follow(kind: "Service" | "EndpointSlice", from: ApiResource): void {
		const keep = (raw: RawObject): Held => {
			const { key, object, problems } = readApiObject(kind, raw);
			return { key, object, problems };
		};
		const take = (event: ResourceEvent<Held>): void => {
			if (event.type === "synced") for (const one of event.objects) this.#take(one);
			else if (event.type === "applied") this.#take(event.object);
			else if (event.type === "removed") this.#remove(`${kind}/${event.namespace}/${event.name}`);
		};
		this.#watch(kind, { resource: from, labelSelector: ours, keep, take });
	}

	#watch<T>(
		kind: string,
		target: {
			readonly resource: ApiResource;
			readonly namespace?: string;
			readonly fieldSelector?: string;
			readonly labelSelector?: string;
			readonly keep: (raw: RawObject) => T;
			readonly take: (event: ResourceEvent<T>) => void;
		},
	): void {
		const { client, clock, log } = this.#deps;
		const { take, ...wanted } = target;
		const onEvent = (event: ResourceEvent<T>): void => {
			if (this.#isClosed) return;
			take(event);
			if (event.type === "synced") this.#synced(kind);
		};
		this.#watches.set(kind, watchResource<T>(client, wanted, { clock, log, onEvent }));
	}

	#take({ key, object, problems }: Held): void {
		if (problems.length > 0) this.#problems.set(key, problems);
		else this.#problems.delete(key);
		// One that is refused leaves the last good one in force.
		if (object) this.#changed({ type: "objectApplied", object });
		else this.#deps.log.warn({ object: key, problems: problems.slice(0, 3) }, "layer 4: an object is refused");
	}

	#remove(key: ObjectKey): void {
		this.#problems.delete(key);
		this.#changed({ type: "objectRemoved", key });
	}

	#takeNode(event: ResourceEvent<Layer4Node>): void {
		const found = event.type === "synced" ? event.objects[0] : event.type === "applied" ? event.object : undefined;
		if (event.type === "synced" && !found)
			this.#deps.log.warn({ node: this.#options.node }, "layer 4: there is no Node of that name, waiting for it");
		if (!found) return;
		this.#node = found;
		if (this.#waiting.size === 0) this.#deps.onNode(found);
		else this.#synced("Node");
	}

	#synced(kind: string): void {
		if (kind === "Node" && !this.#node) return;
		if (!this.#waiting.delete(kind) || this.#waiting.size > 0 || !this.#node) return;
		this.#deps.onNode(this.#node);
		this.#flush();
		this.#ready.resolve();
	}

	#changed(change: Change): void {
		this.#pending.push(change);
		if (this.#waiting.size > 0 || this.#isScheduled) return;
		this.#isScheduled = true;
		this.#deps.clock.after(0, () => this.#flush());
	}

	#flush(): void {
		this.#isScheduled = false;
		if (this.#isClosed) return;
		const changes = this.#pending;
		this.#pending = [];
		if (changes.length > 0) this.#deps.onChanges(lastOfEach(changes));
	}
}

function lastOfEach(changes: readonly Change[]): readonly Change[] {
	const byKey = new Map<ObjectKey, Change>();
	for (const change of changes) {
		const key = change.type === "objectApplied" ? keyOf(change.object) : change.key;
		byKey.delete(key);
		byKey.set(key, change);
	}
	return [...byKey.values()];
}

function resource(kind: string, plural: string, group = ""): ApiResource {
	return { group, version: "v1", plural, kind, namespaced: true };
}
