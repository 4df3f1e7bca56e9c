// What the node that holds a Service's addresses writes into its status, and what the leader writes beside it. Merge patches
// (RFC 7396), which name the version that was seen where two could write.

import { allocatedAnnotation, type BalancedService } from "./cluster-objects.ts";

/**
 * `held`: addresses that this node holds now. Addresses of the other family stay, for their owner; what the Service was not given
 * goes. Undefined: the status says so already.
 */
export function ingressPatch(service: BalancedService, held: ReadonlySet<string>): object | undefined {
	const wanted = service.allocated.filter((address) => held.has(address) || service.ingress.includes(address));
	if (wanted.join() === service.ingress.join()) return undefined;
	return {
		metadata: { resourceVersion: service.resourceVersion },
		status: { loadBalancer: ingressOf(wanted) },
	};
}

/**
 * Writes down what a Service is given. What it has no longer leaves its status first: once the note is gone, nobody would know
 * whose the address was. Undefined: nothing is to be written.
 */
export function allocationPatch(
	service: BalancedService,
	addresses: readonly string[],
): { readonly subresource?: "status"; readonly patch: object } | undefined {
	const { allocated, ingress, resourceVersion, wants } = service;
	const left = ingress.filter((ip) => addresses.includes(ip) || !allocated.includes(ip));
	if (left.length < ingress.length)
		return {
			subresource: "status",
			patch: { metadata: { resourceVersion }, status: { loadBalancer: ingressOf(left) } },
		};
	if (addresses.join() === allocated.join() && (addresses.length > 0 || wants)) return undefined;
	const noted = addresses.length === 0 ? null : addresses.join(",");
	return { patch: { metadata: { resourceVersion, annotations: { [allocatedAnnotation]: noted } } } };
}

function ingressOf(addresses: readonly string[]): object | null {
	return addresses.length === 0 ? null : { ingress: addresses.map((ip) => ({ ip, ipMode: "VIP" })) };
}
