// What an API server would have given a Service and nobody here gives: numbers of node ports, a cluster address of the other
// family. In: the Service as it was written. Out: what it lacks, and how to say it.

import type { ConfigObject } from "../../resources/config-object.ts";
import type { ServiceSpec } from "../../resources/kinds/core.ts";
import { askedAddresses, virtualIpClass } from "./asked-addresses.ts";
import { familyOf } from "./canonical-address.ts";

export const unallocatedKinds = ["nodePort", "ipv4", "ipv6"] as const;

/** A number of a node port; a cluster address of that family. */
export type Unallocated = (typeof unallocatedKinds)[number];

/** Empty for a Service that an API server keeps: there they are always given. */
export function unallocatedOf(service: ConfigObject<"Service">): readonly Unallocated[] {
	const { spec } = service;
	if (spec.type === "ExternalName" || spec.clusterIP === "None" || spec.clusterIPs?.[0] === "None") return [];
	return [...(lacksNodePort(service) ? (["nodePort"] as const) : []), ...missingFamilies(spec)];
}

/** The fields that say how to mend it, with the message and the hint. */
export const unallocatedText: Readonly<Record<Unallocated, { readonly message: string; readonly hint: string }>> = {
	nodePort: {
		message: "no node port: nothing here allocates one",
		hint: "write nodePort: 30000..32767 at each port",
	},
	ipv4: {
		message: "no IPv4 cluster address, though ipFamilyPolicy is RequireDualStack: nothing here allocates one",
		hint: "write one of each family under clusterIPs",
	},
	ipv6: {
		message: "no IPv6 cluster address, though ipFamilyPolicy is RequireDualStack: nothing here allocates one",
		hint: "write one of each family under clusterIPs",
	},
};

/** A load balancer that has, or gets, addresses for clients outside needs no node ports. */
function lacksNodePort(service: ConfigObject<"Service">): boolean {
	const { spec } = service;
	if (!(spec.ports ?? []).some(({ nodePort }) => !nodePort)) return false;
	if (spec.type !== "LoadBalancer") return spec.type === "NodePort";
	if (spec.allocateLoadBalancerNodePorts === false) return false;
	if (spec.loadBalancerClass !== undefined && spec.loadBalancerClass !== virtualIpClass) return false;
	const given = [
		...(spec.externalIPs ?? []),
		...(spec.status?.loadBalancer?.ingress ?? []),
		...askedAddresses(service),
	];
	return given.length === 0;
}

/** One without an address gets one of IPv4, from the name table. */
function missingFamilies(spec: ServiceSpec): readonly ("ipv4" | "ipv6")[] {
	if (spec.ipFamilyPolicy !== "RequireDualStack") return [];
	const written = (spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP ?? ""]).filter((text) => text !== "");
	const families = new Set<string>(written.length === 0 ? ["ipv4"] : written.map(familyOf));
	return (["ipv4", "ipv6"] as const).filter((family) => !families.has(family));
}
