// What differs between the two families in the same rules. In: a family. Out: its selectors, its type of address, its table.

import type { IpFamily } from "../balancer.ts";
import type { NftSelector, NftTable, NftType } from "./ruleset.ts";

export interface FamilyWords {
	readonly table: NftTable;
	readonly source: NftSelector;
	readonly destination: NftSelector;
	readonly addressType: NftType;
}

const words: Record<IpFamily, FamilyWords> = {
	ipv4: {
		table: { family: "ip", name: "keepmesh-l4" },
		source: "ip saddr",
		destination: "ip daddr",
		addressType: "ipv4_addr",
	},
	ipv6: {
		table: { family: "ip6", name: "keepmesh-l4" },
		source: "ip6 saddr",
		destination: "ip6 daddr",
		addressType: "ipv6_addr",
	},
};

export function familyWords(family: IpFamily): FamilyWords {
	return words[family];
}

export function familyOf(addressOrRange: string): IpFamily {
	return addressOrRange.includes(":") ? "ipv6" : "ipv4";
}
