// The pods of a drill on a real cluster, in a namespace of their own: made by their shapes, on the nodes that the drill has. Orders
// reach them by the API server's pod proxy. Gone with the namespace, which a later drill removes when this one was cut off.

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { pods as podResource, services } from "../../kubernetes/client/api-resources.ts";
import { askServer } from "../../kubernetes/client/ask-server.ts";
import type { ApiMethod, KubernetesClient, RequestOptions } from "../../kubernetes/client/kubernetes-client.ts";
import { Refused } from "../../kubernetes/client/refused.ts";
import { type ApiResource, pathOf } from "../../kubernetes/client/resource-path.ts";
import { type Order, orderPort, servedPort } from "../../kubernetes/drill/drill-order.ts";
import { type DrillPodShape, deploymentOf, type PodSurroundings, podOf } from "./drill-pod-shape.ts";

const deployments: ApiResource = {
	group: "apps",
	version: "v1",
	plural: "deployments",
	kind: "Deployment",
	namespaced: true,
};
const lookMs = 100;

export interface DrillPodsOptions extends PodSurroundings {
	readonly namespace: string;
	/** For each thing that is waited for. */
	readonly limitMs: number;
}

export interface DrillPod {
	readonly name: string;
	readonly uid: string;
	readonly ip: string;
	readonly node: string;
	readonly orderPort: number;
}

interface RawPod {
	readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
	readonly spec: { readonly nodeName?: string };
	readonly status?: {
		readonly podIP?: string;
		readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
	};
}

export class KubernetesDrillPods {
	readonly client: KubernetesClient;
	readonly options: DrillPodsOptions;
	readonly #once = new Map<string, Promise<DrillPod>>();
	#count = 0;

	constructor(client: KubernetesClient, options: DrillPodsOptions) {
		this.client = client;
		this.options = { token: randomBytes(24).toString("base64url"), ...options };
	}

	/** A new one; resolves when it is ready. */
	async start(shape: DrillPodShape): Promise<DrillPod> {
		const name = `${shape.app}-${++this.#count}`;
		await this.make(podResource, podOf(shape, name, this.options));
		return this.until(`pod ${name} is ready`, async () => {
			const raw = (await this.ask("GET", pathOf(podResource, this.options.namespace, name))) as RawPod;
			return readyPod(raw, shape.orderPort);
		});
	}

	/** Made when it is asked for first: one of each app on each node. */
	only(shape: DrillPodShape): Promise<DrillPod> {
		const key = `${shape.app} ${shape.node ?? ""}`;
		const known = this.#once.get(key);
		if (known) return known;
		const made = this.start(shape);
		this.#once.set(key, made);
		return made;
	}

	/** The privileged one of a node, which reaches its agent and sees its processes. */
	onNode(node: string): Promise<DrillPod> {
		return this.only({ app: "breaker", privileged: true, node });
	}

	/** Without a proxy. */
	beyond(): Promise<DrillPod> {
		return this.only({ app: "beyond" });
	}

	/** A Deployment; resolves when all of its pods are ready. */
	async deploy(shape: DrillPodShape, replicas: number): Promise<void> {
		await this.make(deployments, deploymentOf(shape, replicas, this.options));
		await this.untilRolledOut(shape.app);
	}

	/** What `kubectl rollout restart` writes; resolves when every pod has been replaced. */
	async restartRollout(app: string): Promise<void> {
		const annotations = { "kubectl.kubernetes.io/restartedAt": new Date().toISOString() };
		const body = { spec: { template: { metadata: { annotations } } } };
		await this.ask("PATCH", pathOf(deployments, this.options.namespace, app), { body });
		await this.untilRolledOut(app);
	}

	/** Also the last of the old pods has gone. */
	async untilRolledOut(app: string): Promise<void> {
		await this.until(`deployment ${app} is rolled out`, async () => {
			const { metadata, spec, status } = (await this.ask("GET", pathOf(deployments, this.options.namespace, app))) as {
				readonly metadata: { readonly generation: number };
				readonly spec: { readonly replicas: number };
				readonly status?: Readonly<Record<string, number>>;
			};
			const is = (name: string): boolean => status?.[name] === spec.replicas;
			const isDone = is("updatedReplicas") && is("availableReplicas") && is("replicas");
			return isDone && (status?.observedGeneration ?? 0) >= metadata.generation ? true : undefined;
		});
		await this.until(`no pod of ${app} leaves any more`, async () => {
			return (await this.leaving(app)).length === 0 ? true : undefined;
		});
	}

	/** Pods of an app that are ready and stay. */
	async ready(app: string): Promise<readonly DrillPod[]> {
		return (await this.#list(app)).flatMap((raw) => (raw.metadata.deletionTimestamp ? [] : (readyPod(raw) ?? [])));
	}

	/** Those that were told to end, and have not. */
	async leaving(app: string): Promise<readonly { readonly uid: string }[]> {
		const all = (await this.#list(app)).map(({ metadata }) => metadata);
		return all.filter(({ deletionTimestamp }) => deletionTimestamp !== undefined);
	}

	/** `graceMs` absent: as the pod says. Returns at once. */
	async remove({ name }: Pick<DrillPod, "name">, graceMs?: number): Promise<void> {
		const body = graceMs === undefined ? {} : { gracePeriodSeconds: graceMs / 1000 };
		await this.ask("DELETE", pathOf(podResource, this.options.namespace, name), { body });
	}

	/** A Service of the pods of an app. Resolves with its address. */
	async serve(app: string, port = servedPort): Promise<string> {
		const made = await this.make(services, {
			apiVersion: "v1",
			kind: "Service",
			metadata: { name: app },
			spec: { selector: { app }, ports: [{ name: "http", port, targetPort: port }] },
		});
		return (made as { readonly spec: { readonly clusterIP: string } }).spec.clusterIP;
	}

	/** Any object, in the drill's namespace; what is there already is left. */
	async make(resource: ApiResource, object: object): Promise<unknown> {
		const { namespace } = this.options;
		// The ServiceAccount of a namespace comes a moment after it.
		return this.until(`a ${resource.kind} is made`, async () => {
			try {
				return await this.ask("POST", pathOf(resource, namespace), { body: object });
			} catch (error) {
				if (error instanceof Refused && error.code === 403 && /serviceaccount/.test(error.message)) return undefined;
				if (!(error instanceof Refused) || error.reason !== "AlreadyExists") throw error;
				const { metadata } = object as { readonly metadata: { readonly name: string } };
				return this.ask("GET", pathOf(resource, namespace, metadata.name));
			}
		});
	}

	async order<Answer>(pod: DrillPod, order: Order, withinMs = this.options.limitMs): Promise<Answer> {
		const path = pathOf(podResource, this.options.namespace, `${pod.name}:${pod.orderPort}`, "proxy/");
		const { body, status } = await this.client.request("POST", path, {
			body: { ...order, token: this.options.token },
			timeoutMs: withinMs + 5_000,
		});
		if (status === 200) return body as Answer;
		const because = (body as { readonly because?: string; readonly message?: string } | undefined) ?? {};
		throw new Error(`${pod.name}, ${order.order}: ${because.because ?? because.message ?? `status ${status}`}`);
	}

	/** What the API server answers; rejects with Refused when it says no. */
	ask(method: ApiMethod, path: string, options: RequestOptions = {}): Promise<unknown> {
		return askServer(this.client, method, path, options);
	}

	/** Asks again and again, until there is something; rejects after the limit. */
	async until<Result>(
		what: string,
		ask: () => Promise<Result | undefined>,
		limitMs = this.options.limitMs,
	): Promise<Result> {
		const endMs = performance.now() + limitMs;
		for (;;) {
			const result = await ask();
			if (result !== undefined) return result;
			if (performance.now() > endMs) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
			await sleep(lookMs);
		}
	}

	async #list(app: string): Promise<readonly RawPod[]> {
		const query = { labelSelector: `app=${app}` };
		const list = await this.ask("GET", pathOf(podResource, this.options.namespace), { query });
		return (list as { readonly items: readonly RawPod[] }).items;
	}
}

function readyPod({ metadata, spec, status }: RawPod, port = orderPort): DrillPod | undefined {
	const isReady = status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true;
	if (!isReady || !status?.podIP || spec.nodeName === undefined) return undefined;
	return { name: metadata.name, uid: metadata.uid, ip: status.podIP, node: spec.nodeName, orderPort: port };
}
