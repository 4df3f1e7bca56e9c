// Starts the machines of one cluster whose files and networks are there, and waits until it serves: nodes Ready, CoreDNS available.

import { join } from "node:path";
import { connectInNamespace } from "../src/lab/namespace-socket.ts";
import { ApiClient } from "./api-client.ts";
import { clusterDirectory, machineDirectory, namespacePath } from "./cluster-paths.ts";
import { copyImageStore } from "./images/image-store.ts";
import type { ControlPlanePlan, NodePlan } from "./plan/cluster-plan.ts";
import type { ClusterShape, NodeShape } from "./plan/cluster-shape.ts";
import type { ControlPlaneProgram } from "./plan/control-plane-commands.ts";
import { planCoreDns } from "./plan/core-dns.ts";
import { runCommands, startScript } from "./run-plan.ts";
import { waitUntil } from "./wait-until.ts";

export interface StartDeps {
	readonly say: (text: string) => void;
	readonly signal: AbortSignal;
}

const withinMs = 120_000;

export async function startCluster(
	set: string,
	cluster: ClusterShape,
	controlPlane: ControlPlanePlan,
	nodes: readonly NodePlan[],
	store: string,
	{ say, signal }: StartDeps,
): Promise<void> {
	const wait = (what: string, ask: () => Promise<boolean>): Promise<void> =>
		waitUntil(`cluster ${cluster.number}: ${what}`, ask, {
			withinMs,
			signal,
			hint: `logs: ${clusterDirectory(set, cluster)}/*/logs`,
		}).then(() => say(`cluster ${cluster.number}: ${what}`));
	startProgram(set, cluster, controlPlane, "etcd");
	for (const plan of nodes) {
		copyImageStore(store, join(machineDirectory(set, cluster, plan.node), "containerd"));
		startNode(set, cluster, plan);
	}
	await wait("etcd", () => accepts(cluster, 2379));
	startProgram(set, cluster, controlPlane, "kube-apiserver");
	const api = new ApiClient(set, cluster);
	await wait("API server", async () => (await api.request("GET", "/readyz")).status === 200);
	startProgram(set, cluster, controlPlane, "kube-controller-manager");
	startProgram(set, cluster, controlPlane, "kube-scheduler");
	for (const object of planCoreDns(cluster)) await api.create(object);
	await wait("nodes Ready", async () => {
		const states = await Promise.all(nodes.map(({ node }) => isNodeReady(api, node)));
		return states.every((isReady) => isReady);
	});
	await wait("ServiceAccount", async () => {
		const { status } = await api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default");
		return status === 200;
	});
	await wait("first pod Running", async () => {
		const { body } = await api.request("GET", "/api/v1/namespaces/kube-system/pods");
		return (body as { items?: { status?: { phase?: string } }[] }).items?.some(isRunning) ?? false;
	});
	await wait("CoreDNS", async () => {
		const { body } = await api.request("GET", "/apis/apps/v1/namespaces/kube-system/deployments/coredns");
		return ((body as { status?: { availableReplicas?: number } }).status?.availableReplicas ?? 0) > 0;
	});
}

const isRunning = (pod: { readonly status?: { readonly phase?: string } }): boolean => pod.status?.phase === "Running";

export function startProgram(
	set: string,
	cluster: ClusterShape,
	controlPlane: ControlPlanePlan,
	program: ControlPlaneProgram,
): void {
	const log = join(machineDirectory(set, cluster, cluster.controlPlane), "logs", `${program}.log`);
	startScript(controlPlane.startScripts[program].path, log);
}

/** Its cgroups and network, then its first process. */
export function startNode(set: string, cluster: ClusterShape, plan: NodePlan): void {
	runCommands(plan.commands);
	startScript(plan.startScript.path, join(machineDirectory(set, cluster, plan.node), "logs", "init.log"));
}

/** `sinceMs`: only what its kubelet said after that time counts (wall clock). */
export async function isNodeReady(api: ApiClient, node: NodeShape, sinceMs = 0): Promise<boolean> {
	const { body } = await api.request("GET", `/api/v1/nodes/${node.name}`);
	const conditions = (body as { status?: { conditions?: NodeCondition[] } }).status?.conditions;
	const isReady = conditions?.some(
		({ type, status, lastHeartbeatTime }) =>
			type === "Ready" && status === "True" && Date.parse(lastHeartbeatTime) + heartbeatResolutionMs > sinceMs,
	);
	if (!isReady || sinceMs === 0) return isReady ?? false;
	return isFollowedBy(api, node, sinceMs);
}

/** The node's kubelet has reached the API server since then (wall clock): it renews its lease every 10 s, its status in up to 5 minutes. */
export async function isFollowedBy(api: ApiClient, node: NodeShape, sinceMs: number): Promise<boolean> {
	const lease = await api.request("GET", `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${node.name}`);
	const renewed = (lease.body as { spec?: { renewTime?: string } }).spec?.renewTime;
	return renewed !== undefined && Date.parse(renewed) > sinceMs;
}

interface NodeCondition {
	readonly type: string;
	readonly status: string;
	readonly lastHeartbeatTime: string;
}

/** The condition's time has whole seconds; the lease's has microseconds. */
const heartbeatResolutionMs = 1000;

async function accepts(cluster: ClusterShape, port: number): Promise<boolean> {
	const target = { host: "127.0.0.1", port };
	(await connectInNamespace(namespacePath(cluster.controlPlane), target, 1000)).destroy();
	return true;
}
