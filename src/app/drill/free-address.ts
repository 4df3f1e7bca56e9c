// Which address, and which virtual router id, a drill on a cluster may take for itself. In: pools, and what is in use. Out: an IPv4
// address that a pool has to give and nobody has, and an id that nobody is known to use. The last ones: others are given the first.

import type { VirtualIPPoolSpec } from "../../resources/kinds/virtual-ip-pool.ts";
import { addressOf, parseAddressSpan } from "../../resources/text/address-span.ts";

export interface NamedPool {
	readonly name: string;
	readonly spec: VirtualIPPoolSpec;
}

export interface FreeAddress {
	readonly address: string;
	readonly pool: NamedPool;
}

const longestSearch = 65_536n;
/** Where a pool says nothing. */
const poolIds = { from: 128, to: 254 };

/** Undefined when no pool has one. A pool that gives only to those that ask for it comes last. */
export function freeAddress(pools: readonly NamedPool[], taken: ReadonlySet<string>): FreeAddress | undefined {
	const asked = ({ spec }: NamedPool): number => (spec.autoAssign === false ? 1 : 0);
	for (const pool of [...pools].sort((a, b) => asked(a) - asked(b)))
		for (const text of [...pool.spec.addresses].reverse()) {
			const span = parseAddressSpan(text);
			if (span?.family !== "ipv4") continue;
			const lowest = span.last - longestSearch > span.first ? span.last - longestSearch : span.first;
			for (let value = span.last; value >= lowest; value--) {
				const address = addressOf("ipv4", value);
				if (!taken.has(address)) return { address, pool };
			}
		}
	return undefined;
}

/** Outside of what pools may use for themselves; undefined when every id is in use. */
export function freeRouterId(pools: readonly NamedPool[], used: ReadonlySet<number>): number | undefined {
	const isOfPool = (id: number): boolean =>
		pools.some(({ spec: { virtualRouterIds = poolIds } }) => virtualRouterIds.from <= id && id <= virtualRouterIds.to);
	for (let id = 255; id > 0; id--) if (!used.has(id) && !isOfPool(id)) return id;
	return undefined;
}
