// Addresses that a Service of type LoadBalancer asks for, and those that VirtualIPs hold. What both name, the Service has: on
// machines there is nobody else who would write `status.loadBalancer.ingress`.

import type { ConfigObject } from "../../resources/config-object.ts";
import { canonicalAddress } from "./canonical-address.ts";

/** Several, of either family, with commas between: `spec.loadBalancerIP` has room for one. */
export const askedAddressesAnnotation = "keepmesh.io/load-balancer-ips";
/** A `loadBalancerClass` that is Keepmesh's own; Services of other classes are other controllers'. */
export const virtualIpClass = "keepmesh.io/virtual-ip";

/** Canonical; without what is no address. Empty for a Service that somebody else gives addresses. */
export function askedAddresses({ metadata, spec }: ConfigObject<"Service">): readonly string[] {
	if (spec.type !== "LoadBalancer") return [];
	if (spec.loadBalancerClass !== undefined && spec.loadBalancerClass !== virtualIpClass) return [];
	return canonical([spec.loadBalancerIP ?? "", ...(metadata.annotations[askedAddressesAnnotation] ?? "").split(",")]);
}

/** Those that are in no advert move with the others. */
export function heldAddresses({ spec }: ConfigObject<"VirtualIP">): readonly string[] {
	const lines = [...spec.addresses, ...(spec.excludedAddresses ?? [])];
	return canonical(lines.map((line) => line.trim().split(/[/\s]/, 1)[0] ?? ""));
}

function canonical(texts: readonly string[]): readonly string[] {
	return [...new Set(texts.flatMap((text) => canonicalAddress(text.trim())?.text ?? []))];
}
