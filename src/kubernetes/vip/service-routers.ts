// Addresses of Services -> the virtual routers that hold them, as VirtualIPs of one node. In: addresses that were given, nodes,
// endpoints. Out: VirtualIPs, and which Services each is for. Every node makes the same of the same objects, but for its own part.

import type { VirtualIPNode, VirtualIPSpec } from "../../resources/kinds/virtual-ip.ts";
import type { VirtualIp } from "../../vip/virtual-ip-config.ts";
import { type AddressPool, virtualRouterIdOf } from "./address-pool.ts";
import type { GivenAddress } from "./allocate-addresses.ts";
import { candidateNodes } from "./candidate-nodes.ts";
import {
	type BalancedService,
	type ClusterNode,
	type LocalEndpoints,
	nodesOf,
	serviceKeyOf,
} from "./cluster-objects.ts";

export interface ServiceRouter {
	readonly virtualIp: VirtualIp;
	readonly services: readonly BalancedService[];
}

export interface ServiceRouterInput {
	/** Those of pools. */
	readonly given: readonly GivenAddress[];
	readonly nodes: readonly ClusterNode[];
	readonly endpoints: readonly LocalEndpoints[];
	readonly nodeName: string;
	/** Where Secrets of pools are. */
	readonly ownNamespace: string;
}

interface Group {
	readonly pool: AddressPool;
	readonly virtualRouterId: number;
	readonly family: "ipv4" | "ipv6";
	readonly given: GivenAddress[];
}

/** Only Keepmesh's own nodes hear it: a Service need not wait for its address as long as VRRP's default has it. */
const defaultAdvertInterval = "300ms";

/** Those that this node may hold. A Service with `externalTrafficPolicy: Local` is held where it has endpoints. */
export function serviceRouters(input: ServiceRouterInput): readonly ServiceRouter[] {
	return groupsOf(input.given).flatMap((group) => {
		const services = group.given.map(({ service }) => service);
		const nodes = candidateNodes(input.nodes, {
			family: group.family,
			selector: group.pool.spec.nodeSelector,
			spreadBy: `${group.family} ${group.virtualRouterId}`,
		});
		const mayHold = nodes.some(({ node }) => node === input.nodeName) && answers(services, input);
		return mayHold ? [{ virtualIp: virtualIpOf(group, nodes, input.ownNamespace), services }] : [];
	});
}

/** Others stay peers: who has endpoints is seen by each node at its own time. */
function answers(services: readonly BalancedService[], { endpoints, nodeName }: ServiceRouterInput): boolean {
	return services.every((service) => !service.local || nodesOf(service, endpoints).has(nodeName));
}

function groupsOf(given: readonly GivenAddress[]): readonly Group[] {
	const groups = new Map<string, Group>();
	for (const one of given) {
		const { address, pool } = one;
		if (!pool) continue;
		const family = address.includes(":") ? "ipv6" : "ipv4";
		const virtualRouterId = virtualRouterIdOf(pool, address);
		const key = `${pool.name} ${family} ${virtualRouterId}`;
		const group = groups.get(key) ?? { pool, virtualRouterId, family, given: [] };
		groups.set(key, group);
		group.given.push(one);
	}
	return [...groups.values()];
}

function virtualIpOf(
	{ pool, virtualRouterId, family, given }: Group,
	nodes: readonly VirtualIPNode[],
	ownNamespace: string,
): VirtualIp {
	const { interface: link, advertInterval, fastHeartbeat, preempt, authentication, checks, lease } = pool.spec;
	const names = [...new Set(given.map(({ service }) => serviceKeyOf(service)))].sort();
	// A VRID is one of each family: their names must differ as well.
	const name = family === "ipv6" ? `${names.join(",")} (IPv6)` : names.join(",");
	const length = family === "ipv4" ? 32 : 128;
	const spec: VirtualIPSpec = {
		addresses: given.map(({ address }) => `${address}/${length}`).sort(),
		...(link === undefined ? {} : { interface: link }),
		virtualRouterId,
		advertInterval: advertInterval ?? defaultAdvertInterval,
		nodes,
		transport: { type: "unicast" },
		...(authentication ? { authentication } : {}),
		preempt: preempt ?? true,
		preemptDelay: pool.spec.preemptDelay ?? "10s",
		openConnections: pool.spec.openConnections ?? "follow",
		...(checks ? { checks } : {}),
		fastHeartbeat: fastHeartbeat ?? "default",
		...(lease
			? { lease: { ...lease, name: `${lease.name}-${virtualRouterId}${family === "ipv6" ? "-v6" : ""}` } }
			: {}),
		instanceName: name,
	};
	return {
		kind: "VirtualIP",
		apiVersion: "keepmesh.io/v1alpha1",
		metadata: {
			name: `${pool.name}-${virtualRouterId}`,
			namespace: ownNamespace,
			labels: {},
			annotations: {},
			createdMs: 0,
		},
		spec,
		origin: { file: `VirtualIPPool ${pool.name}`, line: 1, column: 1 },
	};
}
