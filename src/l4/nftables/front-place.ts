// Where a front is looked up: which maps ask for it, by which key. In: a balancer. Out: its place; two balancers with the same place
// cannot both answer.

import type { Balancer, IpFamily } from "../balancer.ts";
import { oneSpelling } from "./address-range.ts";
import type { FamilyWords } from "./family-words.ts";
import type { NftSelector, NftSet, NftType, NftValue } from "./ruleset.ts";

/** Names the map of verdicts; the other sets of the same lookup are named after it. */
export type Lookup = "services" | "node-ports" | "any-port-services" | "marks" | "mark-ports";

export interface FrontPlace {
	readonly family: IpFamily;
	readonly lookup: Lookup;
	readonly key: readonly NftValue[];
	/** The same for the same place, different for others. */
	readonly id: string;
}

/** In the order in which they are asked: LVS looks for a mark first, and for all ports of an address last. */
export const lookups: readonly Lookup[] = ["mark-ports", "marks", "services", "any-port-services", "node-ports"];

/** The map that says who answers everybody. */
export function verdictsMap(lookup: Lookup, words: FamilyWords): NftSet {
	return { name: lookup, key: lookupTypes(lookup, words), data: "verdict" };
}

/** The map that is asked first for connections of this machine and of its pods. */
export function insideVerdictsMap(lookup: Lookup, words: FamilyWords): NftSet {
	return { name: `inside-${lookup}`, key: lookupTypes(lookup, words), data: "verdict" };
}

/** Fronts that only some may use, and, by front, who they are. */
export function limitedSet(lookup: Lookup, words: FamilyWords): NftSet {
	return { name: `limited-${lookup}`, key: lookupTypes(lookup, words) };
}

export function sourcesSet(lookup: Lookup, words: FamilyWords): NftSet {
	return { name: `sources-of-${lookup}`, key: [...lookupTypes(lookup, words), words.addressType], interval: true };
}

/** Who stands at each slot of a front; only for lookups whose chains are shared. */
export function endpointsMap(lookup: "services" | "node-ports", words: FamilyWords): NftSet {
	return {
		name: lookup === "services" ? "endpoints" : "node-endpoints",
		key: [...lookupTypes(lookup, words), "slot"],
		data: [words.addressType, "inet_service"],
	};
}

export function placeOf(balancer: Balancer): FrontPlace {
	const { front, protocol, port } = balancer;
	const place = (lookup: Lookup, key: readonly NftValue[]): FrontPlace => ({
		family: front.family,
		lookup,
		key,
		id: `${front.family} ${lookup} ${key.join(" ")}`,
	});
	switch (front.type) {
		case "nodePort":
			return place("node-ports", [protocol, port]);
		case "mark":
			return port === 0 ? place("marks", [front.mark, protocol]) : place("mark-ports", [front.mark, protocol, port]);
		default: {
			const address = oneSpelling(front.address);
			return port === 0
				? place("any-port-services", [address, protocol])
				: place("services", [address, protocol, port]);
		}
	}
}

/** What of a packet is looked up there. */
export function lookupKey(lookup: Lookup, words: FamilyWords): readonly NftSelector[] {
	switch (lookup) {
		case "services":
			return [words.destination, "meta l4proto", "th dport"];
		case "any-port-services":
			return [words.destination, "meta l4proto"];
		case "node-ports":
			return ["meta l4proto", "th dport"];
		case "marks":
			return ["meta mark", "meta l4proto"];
		case "mark-ports":
			return ["meta mark", "meta l4proto", "th dport"];
		default:
			return lookup satisfies never;
	}
}

function lookupTypes(lookup: Lookup, words: FamilyWords): readonly NftType[] {
	switch (lookup) {
		case "services":
			return [words.addressType, "inet_proto", "inet_service"];
		case "any-port-services":
			return [words.addressType, "inet_proto"];
		case "node-ports":
			return ["inet_proto", "inet_service"];
		case "marks":
			return ["mark", "inet_proto"];
		case "mark-ports":
			return ["mark", "inet_proto", "inet_service"];
		default:
			return lookup satisfies never;
	}
}
