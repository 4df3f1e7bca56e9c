// Where the rules beside IPVS look things up: sets and maps of the table keepmesh-l4-ipvs, by family. In: a family. Out: their shapes.

import type { IpFamily } from "../balancer.ts";
import { type FamilyWords, familyWords } from "../nftables/family-words.ts";
import type { NftSelector, NftSet, NftTable } from "../nftables/ruleset.ts";

export interface TrafficSets {
	readonly table: NftTable;
	readonly words: FamilyWords;
	/** What of a packet names a front. */
	readonly front: readonly NftSelector[];
	/** Front -> serve, hide the source, drop or refuse. */
	readonly fronts: NftSet;
	/** The same for connections of this machine and of its pods, where it differs. */
	readonly inside: NftSet;
	/** Fronts that only some may use, and who. */
	readonly limited: NftSet;
	readonly sources: NftSet;
	/** Made local by a route of ours alone: other ports are nobody's. */
	readonly addresses: NftSet;
	/** Backends on this node, which may meet themselves. */
	readonly hairpin: NftSet;
	readonly pods: NftSet;
}

const madeSets = new Map<IpFamily, TrafficSets>();

export function trafficSets(family: IpFamily): TrafficSets {
	const known = madeSets.get(family);
	if (known) return known;
	const words = familyWords(family);
	const key = [words.addressType, "inet_proto", "inet_service"] as const;
	const sets: TrafficSets = {
		table: { family: words.table.family, name: "keepmesh-l4-ipvs" },
		words,
		front: [words.destination, "meta l4proto", "th dport"],
		fronts: { name: "fronts", key, data: "verdict" },
		inside: { name: "inside", key, data: "verdict" },
		limited: { name: "limited", key },
		sources: { name: "sources", key: [...key, words.addressType], interval: true },
		addresses: { name: "addresses", key: [words.addressType] },
		hairpin: { name: "hairpin", key: [words.addressType, words.addressType] },
		pods: { name: "pods", key: [words.addressType], interval: true },
	};
	madeSets.set(family, sets);
	return sets;
}

export const ipvsTables: readonly NftTable[] = [trafficSets("ipv4").table, trafficSets("ipv6").table];
