// What this node writes into the cluster: addresses of Services whose virtual router it owns, itself as the owner of VirtualIPs; and
// as the leader, which Service is given which addresses.

import { services } from "../../kubernetes/client/api-resources.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import type { Allocation } from "../../kubernetes/vip/allocate-addresses.ts";
import { allocateAddresses } from "../../kubernetes/vip/allocate-addresses.ts";
import { serviceKeyOf } from "../../kubernetes/vip/cluster-objects.ts";
import { allocationPatch, ingressPatch } from "../../kubernetes/vip/load-balancer-status.ts";
import { allocationInputOf, type ClusterState, type NodePlan } from "../../kubernetes/vip/node-plan.ts";
import type { VirtualIp } from "../../vip/virtual-ip-config.ts";
import { virtualIps } from "./cluster-resources.ts";
import type { ObjectPatcher } from "./object-patcher.ts";

export interface OwnStatusInput {
	readonly nodeName: string;
	readonly cluster: ClusterState;
	readonly plan: NodePlan;
	readonly roles: ReadonlyMap<string, string>;
	/** NAMESPACE/NAME of VirtualIPs -> the node that their status names. */
	readonly owners: ReadonlyMap<string, string | undefined>;
	readonly nowIso: string;
}

export function writeOwnStatuses(input: OwnStatusInput, patcher: ObjectPatcher): void {
	const { cluster, nodeName, plan, roles } = input;
	const held = heldServices(input);
	for (const service of cluster.services) {
		const addresses = held.get(serviceKeyOf(service));
		const patch = addresses && service.wants ? ingressPatch(service, addresses) : undefined;
		if (!patch) continue;
		const path = pathOf(services, service.namespace, service.name, "status");
		patcher.patch({ path, version: service.resourceVersion, body: patch });
	}
	for (const [router, { namespace, name }] of plan.virtualIps) {
		const owns = roles.get(router) === "MASTER";
		const owner = input.owners.get(`${namespace}/${name}`);
		// Whoever takes it over writes that; only when nobody has it, the last owner says so.
		if (owns === (owner === nodeName) || (!owns && roles.get(router) === "BACKUP")) continue;
		const status = owns ? { owner: nodeName, ownedSince: input.nowIso } : { owner: null, ownedSince: null };
		const path = pathOf(virtualIps, namespace, name, "status");
		patcher.patch({ path, version: `${owner} ${roles.get(router)}`, body: { status } });
	}
}

/** NAMESPACE/NAME -> addresses that this node holds for it. */
function heldServices({ plan, roles }: OwnStatusInput): ReadonlyMap<string, ReadonlySet<string>> {
	const held = new Map<string, Set<string>>();
	for (const [router, keys] of plan.services) {
		if (roles.get(router) !== "MASTER") continue;
		const instance = plan.config.instances.find(({ name }) => name === router);
		const addresses = [...(instance?.addresses ?? []), ...(instance?.excludedAddresses ?? [])];
		for (const key of keys) {
			const known = held.get(key) ?? new Set();
			for (const { address } of addresses) known.add(address);
			held.set(key, known);
		}
	}
	return held;
}

/** Gives back what it decided, for what it says of those that get nothing. */
export function writeAllocations(
	cluster: ClusterState,
	fileVirtualIps: readonly VirtualIp[],
	patcher: ObjectPatcher,
): readonly Allocation[] {
	const allocations = allocateAddresses(allocationInputOf(cluster, fileVirtualIps));
	for (const { service, addresses } of allocations) {
		const made = allocationPatch(service, addresses);
		if (!made) continue;
		const path = pathOf(services, service.namespace, service.name, made.subresource);
		patcher.patch({ path, version: service.resourceVersion, body: made.patch });
	}
	return allocations;
}
