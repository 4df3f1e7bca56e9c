// All that one node is to hold. In: what the cluster says, VirtualIPs of files, a keepalived.conf that was read, facts of the node.
// Out: the configuration of its vip process, what is wrong with it, and which Services each virtual router is for.

import type { ConfigObject } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import type { InstanceConfig, TrackerConfig, VipConfig } from "../../vip/vip-config.ts";
import { type NodeFacts, type VirtualIp, virtualIpConfig } from "../../vip/virtual-ip-config.ts";
import { addressHolders } from "./address-holders.ts";
import { addressPools } from "./address-pool.ts";
import { type AllocationInput, givenAddresses } from "./allocate-addresses.ts";
import { type BalancedService, type ClusterNode, type LocalEndpoints, serviceKeyOf } from "./cluster-objects.ts";
import { clusterVirtualIps } from "./cluster-virtual-ips.ts";
import { serviceRouters } from "./service-routers.ts";

/** What is known of a cluster. */
export interface ClusterState {
	readonly nodes: readonly ClusterNode[];
	readonly services: readonly BalancedService[];
	readonly endpoints: readonly LocalEndpoints[];
	readonly virtualIps: readonly VirtualIp[];
	readonly pools: readonly ConfigObject<"VirtualIPPool">[];
}

export interface NodePlanInput {
	readonly cluster: ClusterState;
	/** Run as they are written, with or without a cluster. */
	readonly fileVirtualIps: readonly VirtualIp[];
	readonly keepalived?: { readonly config: VipConfig; readonly problems: readonly Problem[] };
	readonly facts: NodeFacts;
	readonly ownNamespace: string;
}

export interface NodePlan {
	readonly config: VipConfig;
	readonly problems: readonly Problem[];
	/** Name of a virtual router -> NAMESPACE/NAME of the Services whose addresses it holds. */
	readonly services: ReadonlyMap<string, readonly string[]>;
	/** Name of a virtual router -> the VirtualIP of the API that it was made of. */
	readonly virtualIps: ReadonlyMap<string, { readonly namespace: string; readonly name: string }>;
}

export function planNode({ cluster, fileVirtualIps, keepalived, facts, ownNamespace }: NodePlanInput): NodePlan {
	const { nodeName } = facts;
	const { nodes, services, endpoints } = cluster;
	const allocation = allocationInputOf(cluster, fileVirtualIps);
	const given = givenAddresses(allocation);
	const own = clusterVirtualIps({ virtualIps: cluster.virtualIps, nodes, nodeName, ownNamespace });
	const routers = serviceRouters({ given, nodes, endpoints, nodeName, ownNamespace });
	// Those that were written by hand come before those that were made, wherever they want the same VRID.
	const made = virtualIpConfig(
		[...fileVirtualIps, ...own.virtualIps, ...routers.map(({ virtualIp }) => virtualIp)],
		facts,
	);
	const problems = [...(keepalived?.problems ?? []), ...own.problems, ...made.problems];
	const config = withoutClashes(merge(keepalived?.config, made.config), problems);
	const holders = addressHolders(config.instances);
	const servicesOf = new Map<string, string[]>();
	for (const service of services)
		for (const address of service.wants ? new Set([...service.allocated, ...service.asked]) : []) {
			const holder = holders.get(address);
			if (holder === undefined || !given.some((one) => one.service === service && one.address === address)) continue;
			servicesOf.set(holder, [...(servicesOf.get(holder) ?? []), serviceKeyOf(service)]);
		}
	const virtualIps = new Map(
		own.virtualIps.map(({ metadata, spec }) => [
			spec.instanceName ?? metadata.name,
			{ namespace: metadata.namespace, name: metadata.name },
		]),
	);
	return { config, problems, services: servicesOf, virtualIps };
}

/** What allocation needs of a cluster, the same on every node and for the leader. */
export function allocationInputOf(
	{ nodes, services, virtualIps, pools }: ClusterState,
	fileVirtualIps: readonly VirtualIp[],
): AllocationInput {
	const held = new Map<string, string>();
	for (const virtualIp of [...virtualIps, ...fileVirtualIps])
		for (const address of heldBy(virtualIp)) held.set(address, virtualIp.metadata.name);
	return {
		pools: addressPools(pools),
		services,
		held,
		reserved: new Set(nodes.flatMap(({ addresses }) => addresses)),
		otherIds: new Set([...virtualIps, ...fileVirtualIps].map(({ spec }) => spec.virtualRouterId)),
	};
}

function heldBy({ spec }: VirtualIp): readonly string[] {
	return [...spec.addresses, ...(spec.excludedAddresses ?? [])].map((line) => line.trim().split(/[/\s]/, 1)[0] ?? "");
}

/** keepalived's settings for the whole process are those in force. */
function merge(keepalived: VipConfig | undefined, made: VipConfig): VipConfig {
	if (!keepalived) return made;
	const taken = new Set(keepalived.trackers.map(({ name }) => name));
	const renamed = (name: string): string => (taken.has(name) ? `cluster/${name}` : name);
	const trackers = made.trackers.map((tracker): TrackerConfig => ({ ...tracker, name: renamed(tracker.name) }));
	const instances = made.instances.map(
		(instance): InstanceConfig => ({
			...instance,
			tracked: instance.tracked.map((by) => ({ ...by, tracker: renamed(by.tracker) })),
		}),
	);
	return {
		global: keepalived.global,
		instances: [...keepalived.instances, ...instances],
		groups: [...keepalived.groups, ...made.groups],
		trackers: [...keepalived.trackers, ...trackers],
	};
}

/** On a link a VRID is one virtual router, and a name is one in the process: the first of them runs. */
function withoutClashes(config: VipConfig, problems: Problem[]): VipConfig {
	const names = new Set<string>();
	const owners = new Map<string, string>();
	const instances = config.instances.filter(({ name, interface: link, family, virtualRouterId }) => {
		const place = `${link} ${family} ${virtualRouterId}`;
		const owner = owners.get(place);
		if (owner === undefined && !names.has(name)) {
			owners.set(place, name);
			names.add(name);
			return true;
		}
		problems.push({
			severity: "error",
			origin: { file: "the cluster", line: 1, column: 1 },
			resource: name,
			path: "",
			message:
				owner === undefined
					? `there is another virtual router ${name}`
					: `VRID ${virtualRouterId} on ${link} is ${owner}'s: its addresses are held by nobody`,
			hint: owner === undefined ? "rename one of them" : "give one of them another virtualRouterId",
		});
		return false;
	});
	return { ...config, instances };
}
