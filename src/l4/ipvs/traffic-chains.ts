// The chains beside IPVS, the same for every Service. In: the node. Out: chains in an order in which they can be made. They see only the
// first packet of a connection: mark it for masquerade or for another virtual server, drop it or refuse it; IPVS does the rest.

import type { IpFamily } from "../balancer.ts";
import { disjointRanges } from "../nftables/address-range.ts";
import { familyOf } from "../nftables/family-words.ts";
import type { NftChain, NftElement, NftRule, NftStatement, NftVerdict } from "../nftables/ruleset.ts";
import type { NodeFacts } from "../node-facts.ts";
import { trafficSets } from "./traffic-sets.ts";

export const hideChain = "hide-source";
export const hideStrangersChain = "hide-strangers";
export const refuseChain = "refuse";

/** Before IPVS and before address translation, after connection tracking. */
const priority = -110;

export function trafficChains(
	node: NodeFacts,
	family: IpFamily,
): readonly { readonly chain: NftChain; readonly rules: readonly NftRule[] }[] {
	const sets = trafficSets(family);
	const mask = 2 ** node.masqueradeBit;
	const pods = podMatch(node, family);
	const jump = (chain: string): NftStatement => verdict({ type: "jump", chain });
	const isNew: NftStatement = { type: "ctState", states: ["new"] };
	return [
		{
			chain: { name: refuseChain },
			rules: [
				rule({ type: "match", left: "meta l4proto", value: "tcp" }, { type: "reject", with: "tcpReset" }),
				rule({ type: "reject", with: "portUnreachable" }),
			],
		},
		{ chain: { name: hideChain }, rules: [rule({ type: "setMarkBit", mask }), rule(verdict({ type: "accept" }))] },
		{
			chain: { name: hideStrangersChain },
			rules: [
				...(pods ? [rule(pods, verdict({ type: "accept" }))] : []),
				rule({ type: "setMarkBit", mask }),
				rule(verdict({ type: "accept" })),
			],
		},
		{
			chain: { name: "limits" },
			rules: [
				rule(
					{ type: "in", key: sets.front, set: sets.limited.name },
					{ type: "in", key: [...sets.front, sets.words.source], not: true, set: sets.sources.name },
					verdict({ type: "drop" }),
				),
			],
		},
		{ chain: { name: "from-inside" }, rules: [rule({ type: "vmap", key: sets.front, map: sets.inside.name })] },
		{
			chain: { name: "from-anywhere" },
			rules: [
				rule({ type: "vmap", key: sets.front, map: sets.fronts.name }),
				{
					statements: [
						{ type: "in", key: [sets.words.destination], set: sets.addresses.name },
						verdict({ type: "goto", chain: refuseChain }),
					],
					comment: "ports that no service has",
				},
			],
		},
		{
			chain: { name: "arriving" },
			rules: [
				rule(jump("limits")),
				...(pods ? [rule(pods, jump("from-inside"))] : []),
				rule(verdict({ type: "goto", chain: "from-anywhere" })),
			],
		},
		{
			chain: { name: "own" },
			rules: [rule(jump("limits")), rule(jump("from-inside")), rule(verdict({ type: "goto", chain: "from-anywhere" }))],
		},
		{
			chain: { name: "prerouting", hook: { type: "filter", hook: "prerouting", priority } },
			rules: [rule(isNew, jump("arriving"))],
		},
		{
			chain: { name: "output", hook: { type: "filter", hook: "output", priority } },
			rules: [rule(isNew, jump("own"))],
		},
		{
			chain: { name: "postrouting", hook: { type: "nat", hook: "postrouting", priority: 100 } },
			rules: [
				rule(
					{ type: "in", key: [sets.words.source, sets.words.destination], set: sets.hairpin.name },
					{ type: "masquerade", fullyRandom: true },
				),
				rule(
					{ type: "markBit", mask },
					{ type: "setMarkBit", mask, clear: true },
					{ type: "masquerade", fullyRandom: true },
				),
			],
		},
	];
}

/** Elements of the set of pods' ranges. */
export function podElements(node: NodeFacts, family: IpFamily): readonly NftElement[] {
	if (node.localTraffic?.type !== "ranges") return [];
	const own = node.localTraffic.ranges.filter((range) => familyOf(range) === family);
	return disjointRanges(own).map((range) => ({ key: [range] }));
}

function podMatch(node: NodeFacts, family: IpFamily): NftStatement | undefined {
	const sets = trafficSets(family);
	if (node.localTraffic?.type === "interface") {
		const { name, isPrefix } = node.localTraffic;
		return { type: "match", left: "meta iifname", value: isPrefix ? `${name}*` : name };
	}
	if (podElements(node, family).length === 0) return undefined;
	return { type: "in", key: [sets.words.source], set: sets.pods.name };
}

const rule = (...statements: readonly NftStatement[]): NftRule => ({ statements });
const verdict = (verdict: NftVerdict): NftStatement => ({ type: "verdict", verdict });
