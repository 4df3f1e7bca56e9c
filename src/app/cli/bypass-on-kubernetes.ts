// keepmesh bypass and keepmesh restore of a cluster's pods, from wherever kubectl works: annotations of the Pod, which its node's agent
// follows. In: which pods. Out: what the agents answered. Needs the rights to get and patch pods; control planes need not be there.

import { setTimeout as sleep } from "node:timers/promises";
import { servingCondition } from "../../inject/pod-shape.ts";
import { pods as podResource } from "../../kubernetes/client/api-resources.ts";
import { askServer } from "../../kubernetes/client/ask-server.ts";
import { type KubernetesClient, TransportError } from "../../kubernetes/client/kubernetes-client.ts";
import { Refused } from "../../kubernetes/client/refused.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import {
	bypassAnnotation,
	bypassByAnnotation,
	bypassedCondition,
	bypassUntilAnnotation,
} from "../../kubernetes/node/bypass-request.ts";
import { type ClusterFlags, findCluster } from "../install/find-cluster.ts";
import { CliError, exitCodes } from "./cli-error.ts";

export interface PodsFlags extends ClusterFlags {
	readonly namespace?: string;
	readonly all?: boolean;
	readonly selector?: string;
}

interface Condition {
	readonly type: string;
	readonly status: string;
	readonly reason?: string;
	readonly message?: string;
	readonly lastProbeTime?: string | null;
}

interface RawPod {
	readonly metadata: {
		readonly name: string;
		readonly namespace: string;
		readonly uid: string;
		readonly annotations?: Readonly<Record<string, string>>;
	};
	readonly spec: { readonly nodeName?: string };
	readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface PodOnCluster {
	readonly namespace: string;
	readonly name: string;
	readonly node: string;
	/** `sidecar`, `spare`, `direct`, `closed`; empty where no agent serves it. */
	readonly servedBy: string;
	readonly because: string;
	/** As the annotations ask. */
	readonly bypass?: { readonly by: string; readonly why: string; readonly until?: string };
}

export interface OrderOutcome {
	readonly pod: PodOnCluster;
	readonly isDone: boolean;
	readonly because?: string;
}

const answerWithinMs = 15_000;
const lookMs = 150;
const steps: Readonly<Record<string, string>> = {
	BySidecar: "sidecar",
	BySpare: "spare",
	Direct: "direct",
	Closed: "closed",
};

export type PodOrder =
	| { readonly verb: "bypass"; readonly by: string; readonly why: string; readonly forMs?: number }
	| { readonly verb: "restore" };

/** One pod after the other would take long: all at once. `target`: NAME or NAMESPACE/NAME. */
export async function orderOnKubernetes(
	target: string | undefined,
	flags: PodsFlags,
	order: PodOrder,
): Promise<readonly OrderOutcome[]> {
	return await withClient(flags, (client) => orderPods(client, target, flags, order));
}

export async function orderPods(
	client: KubernetesClient,
	target: string | undefined,
	flags: PodsFlags,
	order: PodOrder,
): Promise<readonly OrderOutcome[]> {
	const found = await findPods(client, target, flags);
	// Of all pods only those are given back that were taken.
	const meant = found.filter(
		(pod) => target !== undefined || (order.verb === "bypass" ? partsOf(pod).servedBy !== "" : isAsked(pod)),
	);
	return await Promise.all(meant.map((pod) => give(client, pod, order)));
}

/** Those that are bypassed or not served by their sidecar; with `all` every one of the mesh. */
export async function bypassesOnKubernetes(flags: PodsFlags): Promise<readonly PodOnCluster[]> {
	return await withClient(flags, async (client) => {
		const everywhere = { ...flags, all: true };
		const pods = (await findPods(client, undefined, everywhere)).map(partsOf);
		return pods.filter(({ bypass, servedBy }) => servedBy !== "" && (flags.all || bypass || servedBy !== "sidecar"));
	});
}

async function withClient<Result>(
	flags: ClusterFlags,
	run: (client: KubernetesClient) => Promise<Result>,
): Promise<Result> {
	const { client } = findCluster(flags);
	try {
		return await run(client);
	} catch (error) {
		if (error instanceof TransportError)
			throw new CliError(exitCodes.unavailable, `the API server does not answer: ${error.message}`, "kubectl version");
		if (error instanceof Refused && error.code === 403)
			throw new CliError(exitCodes.noPermission, error.message, "kubectl auth can-i patch pods");
		if (error instanceof Refused) throw new CliError(exitCodes.failure, error.message, "kubectl get pods -A");
		throw error;
	} finally {
		client.close();
	}
}

async function findPods(
	client: KubernetesClient,
	target: string | undefined,
	flags: PodsFlags,
): Promise<readonly RawPod[]> {
	const { all, namespace, selector } = flags;
	if (target !== undefined) {
		const [first = "", second] = target.split("/");
		const [where, name] = second === undefined ? [namespace ?? client.namespace, first] : [first, second];
		return [(await askServer(client, "GET", pathOf(podResource, where, name))) as RawPod];
	}
	const where = namespace ?? (all && selector === undefined ? undefined : client.namespace);
	const path = pathOf(podResource, where);
	const query = selector === undefined ? {} : { labelSelector: selector };
	return ((await askServer(client, "GET", path, { query })) as { readonly items: readonly RawPod[] }).items;
}

async function give(client: KubernetesClient, pod: RawPod, order: PodOrder): Promise<OrderOutcome> {
	const isServed = conditionOf(pod, servingCondition) !== undefined;
	if (!isServed)
		return { pod: partsOf(pod), isDone: false, because: "no node agent serves it: it has no proxy of Keepmesh" };
	if (order.verb === "restore" && !isAsked(pod)) {
		const by =
			conditionOf(pod, servingCondition)?.reason === "BySidecar" ? {} : { because: "no annotation bypasses it" };
		return { pod: partsOf(pod), isDone: true, ...by };
	}
	const annotated = await annotate(client, pod, annotationsFor(order));
	const answered = await untilAnswered(client, annotated);
	if (answered === undefined) {
		const because = `its node's agent has not answered within ${answerWithinMs / 1000} s, and will follow when it does`;
		return { pod: partsOf(annotated), isDone: false, because };
	}
	const answer = conditionOf(answered, bypassedCondition);
	const isDone = order.verb === "restore" || answer?.status === "True";
	if (isDone) return { pod: partsOf(answered), isDone };
	// What was refused now shall not happen later, when nobody expects it.
	const takenBack = await annotate(client, answered, annotationsFor({ verb: "restore" }));
	return { pod: partsOf(takenBack), isDone, because: answer?.message ?? "refused" };
}

function annotationsFor(order: PodOrder): Readonly<Record<string, string | null>> {
	if (order.verb === "restore")
		return { [bypassAnnotation]: null, [bypassByAnnotation]: null, [bypassUntilAnnotation]: null };
	const { by, forMs, why } = order;
	const until = forMs === undefined ? null : new Date(Date.now() + forMs).toISOString();
	return { [bypassAnnotation]: why, [bypassByAnnotation]: by, [bypassUntilAnnotation]: until };
}

/** The uid keeps it off a later pod of the same name. */
async function annotate(
	client: KubernetesClient,
	{ metadata: { name, namespace, uid } }: RawPod,
	annotations: Readonly<Record<string, string | null>>,
): Promise<RawPod> {
	const body = { metadata: { uid, annotations } };
	return (await askServer(client, "PATCH", pathOf(podResource, namespace, name), { body })) as RawPod;
}

/** The agent has written the condition since then; undefined: not in time. */
async function untilAnswered(client: KubernetesClient, asked: RawPod): Promise<RawPod | undefined> {
	const { name, namespace, uid } = asked.metadata;
	const before = JSON.stringify(conditionOf(asked, bypassedCondition));
	for (const endMs = performance.now() + answerWithinMs; performance.now() < endMs; await sleep(lookMs)) {
		const now = (await askServer(client, "GET", pathOf(podResource, namespace, name))) as RawPod;
		if (now.metadata.uid !== uid)
			throw new CliError(exitCodes.failure, `${namespace}/${name} has been replaced`, "the same again");
		if (JSON.stringify(conditionOf(now, bypassedCondition)) !== before) return now;
	}
	return undefined;
}

const isAsked = ({ metadata }: RawPod): boolean => metadata.annotations?.[bypassAnnotation] !== undefined;

function conditionOf({ status }: RawPod, type: string): Condition | undefined {
	return status?.conditions?.find((condition) => condition.type === type);
}

function partsOf(pod: RawPod): PodOnCluster {
	const { annotations = {}, name, namespace } = pod.metadata;
	const serving = conditionOf(pod, servingCondition);
	const until = annotations[bypassUntilAnnotation];
	const bypass = {
		by: annotations[bypassByAnnotation] ?? "somebody",
		why: annotations[bypassAnnotation] ?? "",
		...(until === undefined ? {} : { until }),
	};
	return {
		namespace,
		name,
		node: pod.spec.nodeName ?? "",
		servedBy: steps[serving?.reason ?? ""] ?? "",
		because: serving?.message ?? "",
		...(isAsked(pod) ? { bypass } : {}),
	};
}
