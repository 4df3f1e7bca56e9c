// The chains that packets enter, and those every front shares. In: the node, and which sets there are. Out: chains in the order they are
// made, sets and elements of the node itself. Refusals live in the same chains as translation: only the first packet of a connection
// passes them, and packets of established ones meet no rule at all, but one where a hash chooses (chain `strays`).

import type { IpFamily } from "../balancer.ts";
import type { NodeFacts } from "../node-facts.ts";
import { disjointRanges, oneSpelling } from "./address-range.ts";
import { answeringSet, frontsMap, severalFrontsSet } from "./answering-fronts.ts";
import { type FamilyWords, familyOf } from "./family-words.ts";
import { hideChains, rejectChain } from "./front-chains.ts";
import {
	endpointsMap,
	insideVerdictsMap,
	type Lookup,
	limitedSet,
	lookupKey,
	lookups,
	sourcesSet,
	verdictsMap,
} from "./front-place.ts";
import type { NftChain, NftElement, NftRule, NftSet, NftStatement } from "./ruleset.ts";

export interface NamedChain {
	readonly chain: NftChain;
	readonly rules: readonly NftRule[];
}

export interface NodeSet {
	readonly set: NftSet;
	readonly elements: readonly NftElement[];
}

export const hairpinSet = "hairpin";
export const clusterAddressesSet = "cluster-addresses";
const nodeAddressesSet = "node-addresses";
const podRangesSet = "pod-ranges";

/** Sets that are there also when nothing is in them. */
export function standingSets(words: FamilyWords): readonly NftSet[] {
	return [
		verdictsMap("services", words),
		verdictsMap("node-ports", words),
		endpointsMap("services", words),
		endpointsMap("node-ports", words),
		{ name: hairpinSet, key: [words.addressType, words.addressType] },
		{ name: clusterAddressesSet, key: [words.addressType] },
	];
}

/** Sets whose elements the node's facts decide. */
export function nodeSets(node: NodeFacts, family: IpFamily, words: FamilyWords): readonly NodeSet[] {
	const addresses = new Set(node.nodePortAddresses.filter((address) => familyOf(address) === family).map(oneSpelling));
	const sets: NodeSet[] = [
		{
			set: { name: nodeAddressesSet, key: [words.addressType] },
			elements: [...addresses].map((address) => ({ key: [address] })),
		},
	];
	if (node.localTraffic?.type === "ranges") {
		const ranges = disjointRanges(node.localTraffic.ranges.filter((range) => familyOf(range) === family));
		if (ranges.length > 0)
			sets.push({
				set: { name: podRangesSet, key: [words.addressType], interval: true },
				elements: ranges.map((range) => ({ key: [range] })),
			});
	}
	return sets;
}

export function baseChains(
	node: NodeFacts,
	family: IpFamily,
	words: FamilyWords,
	sets: ReadonlySet<string>,
): readonly NamedChain[] {
	const mask = 2 ** node.masqueradeBit;
	const fromPod = podMatch(node, family, words);
	const limited = lookups.filter((lookup) => sets.has(limitedSet(lookup, words).name));
	const inside = lookups.filter((lookup) => sets.has(insideVerdictsMap(lookup, words).name));
	const outside = lookups.filter((lookup) => sets.has(verdictsMap(lookup, words).name));
	const limits = limited.length > 0 ? [jump("limit-sources")] : [];
	const chains: NamedChain[] = [
		{
			chain: { name: rejectChain },
			rules: [
				rule({ type: "match", left: "meta l4proto", value: "tcp" }, { type: "reject", with: "tcpReset" }),
				rule({ type: "reject", with: "portUnreachable" }),
			],
		},
		{ chain: { name: hideChains.everybody }, rules: [rule({ type: "setMarkBit", mask })] },
	];
	if (fromPod !== undefined)
		chains.push({
			chain: { name: hideChains.outsiders },
			rules: [rule(fromPod, { type: "verdict", verdict: { type: "return" } }), rule({ type: "setMarkBit", mask })],
		});
	if (limited.length > 0)
		chains.push({ chain: { name: "limit-sources" }, rules: limited.map((lookup) => limitRule(lookup, words)) });
	if (inside.length > 0)
		chains.push({
			chain: { name: "from-inside" },
			rules: lookupsUpTo(inside.at(-1)).flatMap((lookup) => [
				...(inside.includes(lookup) ? [vmapRule(lookup, insideVerdictsMap(lookup, words).name, words)] : []),
				// A front without an answer of its own for inside comes before later lookups that have one.
				...(outside.includes(lookup) && lookup !== inside.at(-1)
					? [vmapRule(lookup, verdictsMap(lookup, words).name, words)]
					: []),
			]),
		});
	chains.push({
		chain: { name: "from-anywhere" },
		rules: [
			...outside.map((lookup) => vmapRule(lookup, verdictsMap(lookup, words).name, words)),
			{
				statements: [
					{ type: "in", key: [words.destination], set: clusterAddressesSet },
					{ type: "verdict", verdict: { type: "goto", chain: rejectChain } },
				],
				comment: "ports that no service has",
			},
		],
	});
	const tcp: NftStatement = { type: "match", left: "meta l4proto", value: "tcp" };
	const began: NftStatement = { type: "tcpFlags", none: ["syn", "rst"] };
	const endpoint = [words.source, "th sport"] as const;
	const answering = answeringSet(words).name;
	const drop: NftStatement = { type: "verdict", verdict: { type: "drop" } };
	if (sets.has(answering))
		chains.push(
			// Before all others that change sources. Only the first packet that this node sees of a connection comes here.
			{
				chain: { name: "go-on", hook: { type: "nat", hook: "postrouting", priority: 99 } },
				rules: [
					rule(tcp, began, { type: "snatMap", key: endpoint, map: frontsMap(words).name }),
					{
						statements: [tcp, began, { type: "in", key: endpoint, set: severalFrontsSet(words).name }, drop],
						comment: "the client speaks again, and says to whom",
					},
				],
			},
			// While the two ways of a connection move to another node, one after the other, this node sees answers to what went by there.
			// Conntrack calls them invalid and does not translate them; a client that saw the endpoint's own address would reset its connection.
			{
				chain: { name: "strays", hook: { type: "filter", hook: "forward", priority: 0 } },
				rules: [
					rule(
						{ type: "ctState", states: ["invalid"] },
						tcp,
						began,
						{ type: "in", key: endpoint, set: answering },
						drop,
					),
				],
			},
		);
	const podsInside = inside.length > 0 && fromPod !== undefined;
	chains.push(
		{
			chain: { name: "prerouting", hook: { type: "nat", hook: "prerouting", priority: -100 } },
			rules: [...limits, ...(podsInside ? [jump("from-inside", fromPod)] : []), jump("from-anywhere")],
		},
		{
			chain: { name: "output", hook: { type: "nat", hook: "output", priority: -100 } },
			rules: [...limits, ...(inside.length > 0 ? [jump("from-inside")] : []), jump("from-anywhere")],
		},
		{
			chain: { name: "postrouting", hook: { type: "nat", hook: "postrouting", priority: 100 } },
			rules: [
				rule(
					{ type: "ctStatusDnat" },
					{ type: "in", key: [words.source, words.destination], set: hairpinSet },
					{ type: "masquerade", fullyRandom: true },
				),
				rule(
					{ type: "markBit", mask },
					{ type: "setMarkBit", mask, clear: true },
					{ type: "masquerade", fullyRandom: true },
				),
			],
		},
	);
	return chains;
}

function lookupsUpTo(last: Lookup | undefined): readonly Lookup[] {
	return lookups.slice(0, last === undefined ? 0 : lookups.indexOf(last) + 1);
}

function podMatch(node: NodeFacts, family: IpFamily, words: FamilyWords): NftStatement | undefined {
	const local = node.localTraffic;
	if (local?.type === "interface")
		return { type: "match", left: "meta iifname", value: local.isPrefix ? `${local.name}*` : local.name };
	return local?.ranges.some((range) => familyOf(range) === family)
		? { type: "in", key: [words.source], set: podRangesSet }
		: undefined;
}

/** The address of a node port is any of the node's: its key has none. */
function ownAddress(lookup: Lookup, words: FamilyWords): readonly NftStatement[] {
	return lookup === "node-ports" ? [{ type: "in", key: [words.destination], set: nodeAddressesSet }] : [];
}

function vmapRule(lookup: Lookup, map: string, words: FamilyWords): NftRule {
	return rule(...ownAddress(lookup, words), { type: "vmap", key: lookupKey(lookup, words), map });
}

function limitRule(lookup: Lookup, words: FamilyWords): NftRule {
	const key = lookupKey(lookup, words);
	return rule(
		...ownAddress(lookup, words),
		{ type: "in", key, set: limitedSet(lookup, words).name },
		{ type: "in", key: [...key, words.source], not: true, set: sourcesSet(lookup, words).name },
		{ type: "verdict", verdict: { type: "drop" } },
	);
}

function jump(chain: string, ...when: readonly NftStatement[]): NftRule {
	return rule(...when, { type: "verdict", verdict: { type: "jump", chain } });
}

function rule(...statements: readonly NftStatement[]): NftRule {
	return { statements };
}
