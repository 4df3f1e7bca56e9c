// VirtualIPPools as what they are asked for: which addresses they have, who may have them, and which virtual router holds one.

import type { ConfigObject } from "../../resources/config-object.ts";
import type { VirtualIPPoolSpec } from "../../resources/kinds/virtual-ip-pool.ts";
import {
	type AddressSpan,
	addressOf,
	numberOf,
	parseAddressSpan,
	spanHolds,
} from "../../resources/text/address-span.ts";
import { type BalancedService, hasLabels } from "./cluster-objects.ts";

export interface AddressPool {
	readonly name: string;
	readonly spec: VirtualIPPoolSpec;
	readonly spans: readonly AddressSpan[];
	readonly firstId: number;
	readonly idCount: number;
}

/** So many addresses of a pool are looked at for a free one. */
const longestSearch = 65_536;

/** Those for fewer Services come first, then by name: the order in which a Service is offered them. */
export function addressPools(objects: readonly ConfigObject<"VirtualIPPool">[]): readonly AddressPool[] {
	const pools = objects.map(({ metadata, spec }): AddressPool => {
		const { from = 128, to = 254 } = spec.virtualRouterIds ?? {};
		const spans = spec.addresses.flatMap((text) => parseAddressSpan(text) ?? []);
		return { name: metadata.name, spec, spans, firstId: from, idCount: to - from + 1 };
	});
	return pools.sort((a, b) => narrowness(b) - narrowness(a) || (a.name < b.name ? -1 : 1));
}

export function poolHolds({ spans }: AddressPool, address: string): boolean {
	const number = numberOf(address);
	return number !== undefined && spans.some((span) => spanHolds(span, number));
}

/** Its own words about who may have its addresses. */
export function poolAdmits({ spec }: AddressPool, { namespace, labels }: BalancedService): boolean {
	const { namespaces = [], serviceSelector } = spec;
	return (namespaces.length === 0 || namespaces.includes(namespace)) && hasLabels(serviceSelector, labels);
}

/**
 * By the address alone, so that every node knows it, and other ranges in the pool change nothing. Neighbours have different ones
 * until the VRIDs are used up.
 */
export function virtualRouterIdOf({ firstId, idCount }: AddressPool, address: string): number {
	return firstId + Number((numberOf(address)?.value ?? 0n) % BigInt(idCount));
}

/** The first free one whose virtual router holds the fewest addresses. `isTaken` says also who may not be shared at all. */
export function freeAddress(
	pool: AddressPool,
	family: AddressSpan["family"],
	isTaken: (address: string) => boolean,
	addressesAt: (virtualRouterId: number) => number,
): string | undefined {
	let best: { readonly address: string; readonly count: number } | undefined;
	let left = longestSearch;
	for (const span of pool.spans) {
		if (span.family !== family) continue;
		for (let value = span.first; value <= span.last && left > 0; value++, left--) {
			const address = addressOf(family, value);
			if (isTaken(address)) continue;
			const count = addressesAt(virtualRouterIdOf(pool, address));
			if (count === 0) return address;
			if (count < (best?.count ?? Number.POSITIVE_INFINITY)) best = { address, count };
		}
	}
	return best?.address;
}

function narrowness({ spec }: AddressPool): number {
	return (spec.namespaces?.length ? 1 : 0) + (Object.keys(spec.serviceSelector ?? {}).length > 0 ? 1 : 0);
}
