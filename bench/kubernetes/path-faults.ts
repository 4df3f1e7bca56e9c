// What is done to a cluster while requests flow: rolling updates of everything on their way, a drain of the node that has the address,
// and its power-off. Each says when its parts begin, and leaves the cluster as it was.

import { setTimeout as sleep } from "node:timers/promises";
import { nodeDown, nodeUp } from "../../cluster/node-power.ts";
import type { NodeShape } from "../../cluster/plan/cluster-shape.ts";
import { programUp } from "../../cluster/program-power.ts";
import { apiServerDown } from "./path-api-outage.ts";
import { ownerOf, type PathCluster } from "./path-cluster.ts";
import { gatewayName, gatewayNamespace, pathNamespace } from "./path-objects.ts";

const keepmeshNamespace = "keepmesh-system";
/** After a part is over, for what only comes then: pods that end, addresses that go back (10 s). */
const settleMs = 15_000;
/** How long requests go on after a power-off, which nothing undoes meanwhile. */
const powerOffMs = 10_000;

export interface FaultContext {
	readonly cluster: PathCluster;
	readonly address: string;
	/** Of a rolling update; absent: all of them. */
	readonly part: string | undefined;
	/** The next part begins now. */
	mark(name: string): void;
	say(text: string): void;
}

/** While requests flow. Resolves to what brings back what it took, to be done when they do not flow any more. */
export type PathFault = (context: FaultContext) => Promise<() => Promise<void>>;

export const pathFaults: Readonly<Record<string, PathFault>> = {
	"rolling-update": rollingUpdate,
	"node-drain": nodeDrain,
	"power-off": powerOff,
	"api-server-down": apiServerDown,
};

async function rollingUpdate({ cluster, mark, part }: FaultContext): Promise<() => Promise<void>> {
	const parts = [
		["servers", pathNamespace, "deployment/server"],
		["gateways", gatewayNamespace, `deployment/${gatewayName}`],
		["control planes", keepmeshNamespace, "deployment/keepmesh-control"],
		["node agents", keepmeshNamespace, "daemonset/keepmesh-node"],
		["virtual IPs", keepmeshNamespace, "daemonset/keepmesh-vip"],
	] as const;
	const chosen = parts.filter(([name]) => part === undefined || part === name);
	if (chosen.length === 0) throw new Error(`--part is one of ${parts.map(([name]) => name).join(", ")}`);
	for (const [name, namespace, object] of chosen) {
		mark(name);
		await cluster.kubectl("rollout", "restart", object, "--namespace", namespace);
		await cluster.kubectl("rollout", "status", object, "--namespace", namespace, "--timeout=900s");
		await sleep(settleMs);
	}
	return async () => {};
}

async function nodeDrain(context: FaultContext): Promise<() => Promise<void>> {
	const { cluster, mark } = context;
	const owner = await demandOwner(context);
	mark(`drain of ${owner.name}`);
	await cluster.kubectl("drain", owner.name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=900s");
	await sleep(settleMs);
	mark("uncordon");
	await cluster.kubectl("uncordon", owner.name);
	await sleep(settleMs);
	return () => spreadAgain(cluster);
}

async function powerOff(context: FaultContext): Promise<() => Promise<void>> {
	const { cluster, mark, say } = context;
	const { planned, record } = cluster;
	const owner = await demandOwner(context);
	const plan = planned.nodes.find(({ node }) => node === owner);
	if (!plan) throw new Error(`no node ${owner.name}`);
	await tellControlPlanes(context);
	mark(`power-off of ${owner.name}`);
	await nodeDown(record, planned.cluster, plan);
	await sleep(powerOffMs);
	return async () => {
		say(`${owner.name} is booted`);
		await nodeUp(record, planned.cluster, plan);
		await spreadAgain(cluster);
	};
}

/** After a fault that was broken off. */
export async function restoreNodes({ kubectl, planned, record }: PathCluster): Promise<void> {
	await programUp(record, planned, "kube-apiserver");
	for (const plan of planned.nodes) {
		await nodeUp(record, planned.cluster, plan);
		await kubectl("uncordon", plan.node.name);
	}
}

async function demandOwner({ address, cluster }: FaultContext): Promise<NodeShape> {
	const owner = await ownerOf(cluster, address);
	if (!owner) throw new Error(`no node has ${address}`);
	return owner;
}

/** Which nodes the control planes are on, and which of them each relay says that it is connected to. */
async function tellControlPlanes({ cluster, say }: FaultContext): Promise<void> {
	const placesOf = async (name: string): Promise<readonly (readonly [pod: string, node: string, ip: string])[]> => {
		const path = "jsonpath={range .items[*]}{.metadata.name}{' '}{.spec.nodeName}{' '}{.status.podIP}{'\\n'}{end}";
		const chosen = ["--namespace", keepmeshNamespace, "--selector", `app.kubernetes.io/name=${name}`];
		const text = await cluster.kubectl("get", "pods", ...chosen, "--output", path);
		return text
			.trim()
			.split("\n")
			.map((line) => line.split(" "))
			.map(([pod = "", node = "", ip = ""]) => [pod, node, ip] as const);
	};
	const control = new Map((await placesOf("keepmesh-control")).map(([, node, ip]) => [`${ip}:15012`, node]));
	for (const [pod, node] of await placesOf("keepmesh-node")) {
		const log = await cluster.kubectl("logs", "--namespace", keepmeshNamespace, pod);
		const upstreams = new Map<string, string>();
		for (const line of log.split("\n").filter((one) => one.includes('"relay connected"'))) {
			const { node: proxy, upstream } = JSON.parse(line) as { readonly node: string; readonly upstream: string };
			upstreams.set(proxy, control.get(upstream) ?? upstream);
		}
		const said = [...upstreams].map(
			([proxy, upstream]) => `${proxy.split("~")[2]?.split(".")[0] ?? proxy} to ${upstream}`,
		);
		say(`  relay of ${node}: ${said.join(", ")}`);
	}
}

/** Pods that had to go elsewhere are put on all nodes again. */
async function spreadAgain(cluster: PathCluster): Promise<void> {
	for (const [namespace, object] of [
		[pathNamespace, "deployment/server"],
		[gatewayNamespace, `deployment/${gatewayName}`],
		[keepmeshNamespace, "deployment/keepmesh-control"],
	] as const) {
		await cluster.kubectl("rollout", "restart", object, "--namespace", namespace);
		await cluster.kubectl("rollout", "status", object, "--namespace", namespace, "--timeout=900s");
	}
	await sleep(settleMs);
}
