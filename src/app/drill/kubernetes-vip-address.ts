// The address of a drill on a cluster: a VirtualIP of the drill's own, with an address that a pool has to give, on two nodes, with a
// check of a service that only the drill has. It goes when the drill ends, or with the drill's namespace.

import { randomBytes } from "node:crypto";
import { namespaces, secrets, services } from "../../kubernetes/client/api-resources.ts";
import { type ApiResource, pathOf } from "../../kubernetes/client/resource-path.ts";
import { allocatedAnnotation } from "../../kubernetes/vip/cluster-objects.ts";
import type { VirtualIPSpec } from "../../resources/kinds/virtual-ip.ts";
import type { DrillPlace } from "./drill-place.ts";
import { freeAddress, freeRouterId, type NamedPool } from "./free-address.ts";
import type { VipNode } from "./kubernetes-vip-node.ts";

export interface DrillAddress {
	readonly address: string;
	/** On loopback of the nodes: what the check asks. Absent where the address is not the drill's own. */
	readonly servicePort?: number;
	/** Adverts have a key: those of anybody else are known by it, wherever they come from. */
	readonly hasKey: boolean;
	remove(): Promise<void>;
}

export const checkName = "keepmesh-drill";
const keepmesh = (kind: string, plural: string): ApiResource => ({
	group: "keepmesh.io",
	version: "v1alpha1",
	plural,
	kind,
	namespaced: true,
});
const virtualIps = keepmesh("VirtualIP", "virtualips");
const pools: ApiResource = { ...keepmesh("VirtualIPPool", "virtualippools"), namespaced: false };

interface Listed {
	readonly metadata: {
		readonly name: string;
		readonly annotations?: Readonly<Record<string, string>>;
		readonly uid: string;
	};
	readonly spec: object;
	readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } };
}

/** `servicePort`: what its check asks. Rejects where no pool has an address left. */
export async function makeDrillAddress(
	place: DrillPlace,
	nodes: readonly VipNode[],
	servicePort: number,
): Promise<DrillAddress> {
	const { pods, systemNamespace } = place;
	const list = async (resource: ApiResource): Promise<readonly Listed[]> =>
		((await pods.ask("GET", pathOf(resource))) as { readonly items: readonly Listed[] }).items;
	const [known, given, made, statuses] = await Promise.all([
		list(pools),
		list(services),
		list(virtualIps),
		Promise.all(nodes.map((node) => node.status())),
	]);
	const instances = statuses.flatMap((status) => status.instances);
	const routers = made.map(({ spec }) => spec as VirtualIPSpec);
	const taken = new Set([
		...given.flatMap(addressesGiven),
		...routers.flatMap(({ addresses, excludedAddresses = [] }) => [...addresses, ...excludedAddresses].map(plain)),
		...instances.flatMap(({ addresses, excludedAddresses }) => [...addresses, ...excludedAddresses].map(plain)),
		...nodes.map(({ nodeIp }) => nodeIp),
	]);
	const named = known.map(
		({ metadata, spec }): NamedPool => ({ name: metadata.name, spec: spec as NamedPool["spec"] }),
	);
	const free = freeAddress(named, taken);
	if (!free) throw new Error("no VirtualIPPool has an IPv4 address left; name one of a VirtualIP: --address");
	const virtualRouterId = freeRouterId(
		named,
		new Set([
			...routers.map((spec) => spec.virtualRouterId),
			...instances.map((one) => one.virtualRouterId),
			...statuses.flatMap(({ strangers }) =>
				strangers.flatMap((one) => one.otherRouters.map((o) => o.virtualRouterId)),
			),
		]),
	);
	if (virtualRouterId === undefined) throw new Error("every virtual router id is in use, or a pool's");

	const name = place.pods.options.namespace;
	const namespace = (await pods.ask("GET", pathOf(namespaces, undefined, name))) as Listed;
	const metadata = {
		name,
		labels: { "keepmesh.io/drill": "true" },
		// What a drill that was cut off has left goes with its namespace.
		ownerReferences: [{ apiVersion: "v1", kind: "Namespace", name, uid: namespace.metadata.uid }],
	};
	// The heartbeat of a link has one key: that of others is not touched.
	const hasKey = instances.length === 0;
	const spec: VirtualIPSpec = {
		addresses: [`${free.address}/32`],
		...(free.pool.spec.interface === undefined ? {} : { interface: free.pool.spec.interface }),
		virtualRouterId,
		// As good as each other: who has it keeps it.
		nodes: nodes.map((node, index) => ({ node: node.name, priority: 101 - index })),
		preempt: false,
		...(hasKey ? { authentication: { type: "hmac", secretName: name } } : {}),
		checks: [{ name: checkName, http: { url: `http://127.0.0.1:${servicePort}/` } }],
	};
	const remove = async (): Promise<void> => {
		for (const resource of [virtualIps, secrets])
			await pods.ask("DELETE", pathOf(resource, systemNamespace, name)).catch(() => {});
	};
	try {
		if (hasKey) {
			const stringData = { key: randomBytes(32).toString("hex") };
			const body = { apiVersion: "v1", kind: "Secret", metadata, stringData };
			await pods.ask("POST", pathOf(secrets, systemNamespace), { body });
		}
		const body = { apiVersion: "keepmesh.io/v1alpha1", kind: "VirtualIP", metadata, spec };
		await pods.ask("POST", pathOf(virtualIps, systemNamespace), { body });
		// A Service may have been given it in the same moment.
		if ((await list(services)).some((one) => addressesGiven(one).includes(free.address)))
			throw new Error(`a Service was just given ${free.address}: try again`);
	} catch (error) {
		await remove();
		throw error;
	}
	return { address: free.address, servicePort, hasKey, remove };
}

/** While its heartbeat is off only adverts tell of its owner. */
export async function setHeartbeat(
	place: DrillPlace,
	{ address, servicePort }: DrillAddress,
	fastHeartbeat: "default" | "off",
): Promise<void> {
	if (servicePort === undefined)
		throw new Error(`${address} shares its heartbeat with other addresses: this drill needs an address of a pool`);
	const path = pathOf(virtualIps, place.systemNamespace, place.pods.options.namespace);
	await place.pods.ask("PATCH", path, { body: { spec: { fastHeartbeat } } });
}

function addressesGiven({ metadata, spec, status }: Listed): readonly string[] {
	const { externalIPs = [], loadBalancerIP = "" } = spec as {
		externalIPs?: readonly string[];
		loadBalancerIP?: string;
	};
	const { annotations = {} } = metadata;
	return [
		...(status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []),
		...`${annotations[allocatedAnnotation] ?? ""},${annotations["keepmesh.io/load-balancer-ips"] ?? ""},${loadBalancerIP}`
			.split(",")
			.map((one) => one.trim()),
		...externalIPs,
	].filter((one) => one !== "");
}

const plain = (line: string): string => line.trim().split(/[/\s]/, 1)[0] ?? "";
