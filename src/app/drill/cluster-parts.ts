// What of Keepmesh a cluster has, as far as drills ask for it. In: the workloads of Keepmesh's own namespace. Out: which nodes have an
// agent or virtual IPs, how many control planes serve, who balances Services.

import { daemonSets, pods } from "../../kubernetes/client/api-resources.ts";
import { askServer } from "../../kubernetes/client/ask-server.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";

export interface ClusterParts {
	/** Keepmesh's own: of the agents, or of virtual IPs or layer 4 that are there by themselves. Absent: there is none of them. */
	readonly image?: string;
	/** Directory of the agents' state, on the nodes. Absent: there are no agents. */
	readonly state?: string;
	/** With an agent that is ready; sorted. */
	readonly agentNodes: readonly string[];
	/** Pods of control planes that are ready. */
	readonly controlPlanes: number;
	/** Where virtual IPs may be; sorted. */
	readonly vipNodes: readonly string[];
	/** Where Services are balanced, by the agents or by layer 4 alone; sorted. */
	readonly layer4Nodes: readonly string[];
}

interface RawPod {
	readonly metadata: { readonly labels?: Readonly<Record<string, string>>; readonly deletionTimestamp?: string };
	readonly spec: { readonly nodeName?: string };
	readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

interface RawDaemonSet {
	readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
	readonly spec: {
		readonly template: {
			readonly spec: { readonly containers: readonly { readonly image: string; readonly args?: readonly string[] }[] };
		};
	};
}

const nameLabel = "app.kubernetes.io/name";
const names = {
	agents: "keepmesh-node",
	controlPlanes: "keepmesh-control",
	virtualIps: "keepmesh-vip",
	layer4: "keepmesh-layer4",
} as const;
const defaultState = "/var/lib/keepmesh";

/** Rejects with Refused where they may not be listed. */
export async function findClusterParts(client: KubernetesClient, namespace: string): Promise<ClusterParts> {
	const list = async <Item>(path: string, labelSelector: string): Promise<readonly Item[]> => {
		const answer = await askServer(client, "GET", path, { query: { labelSelector } });
		return (answer as { readonly items: readonly Item[] }).items;
	};
	const ours = `${nameLabel} in (${Object.values(names).join(",")})`;
	const sets = await list<RawDaemonSet>(pathOf(daemonSets, namespace), ours);
	const found = await list<RawPod>(pathOf(pods, namespace), ours);
	const containerOf = (name: string) =>
		sets.find(({ metadata }) => metadata.labels?.[nameLabel] === name)?.spec.template.spec.containers[0];
	const readyOf = (name: string): readonly RawPod[] =>
		found.filter(({ metadata, status }) => {
			const isReady = status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") === true;
			return isReady && metadata.labels?.[nameLabel] === name && metadata.deletionTimestamp === undefined;
		});
	const nodesOf = (name: string): readonly string[] =>
		[...new Set(readyOf(name).flatMap(({ spec }) => spec.nodeName ?? []))].sort();
	const container = containerOf(names.agents);
	const image = (container ?? containerOf(names.virtualIps) ?? containerOf(names.layer4))?.image;
	const flag = (name: string): string | undefined =>
		container?.args?.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
	return {
		...(image === undefined ? {} : { image }),
		...(container ? { state: flag("--state") ?? defaultState } : {}),
		agentNodes: nodesOf(names.agents),
		controlPlanes: readyOf(names.controlPlanes).length,
		vipNodes: nodesOf(names.virtualIps),
		layer4Nodes: (flag("--layer4") ?? "off") === "off" ? nodesOf(names.layer4) : nodesOf(names.agents),
	};
}
