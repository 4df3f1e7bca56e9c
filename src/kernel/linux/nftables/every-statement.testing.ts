// A table of either family with every kind of set, element and statement. In: the family. Out: the changes that make it.

import type { NftElement, NftRule, NftSet, NftStatement, NftTable } from "../../../l4/nftables/ruleset.ts";
import type { NftTableChange } from "../../nftables-tables.ts";

type Change = NftTableChange["change"];

export interface EveryStatement {
	readonly table: NftTable;
	readonly sets: readonly { readonly set: NftSet; readonly elements: readonly NftElement[] }[];
	readonly changes: readonly NftTableChange[];
}

export function everyStatement(family: "ip" | "ip6"): EveryStatement {
	const ipv6 = family === "ip6";
	const table: NftTable = { family, name: "every-statement" };
	const address = ipv6 ? "ipv6_addr" : "ipv4_addr";
	const [source, destination] = ipv6 ? (["ip6 saddr", "ip6 daddr"] as const) : (["ip saddr", "ip daddr"] as const);
	const host = (number: number) => (ipv6 ? `fd00::${number}` : `10.0.0.${number}`);
	const [wide, next, top] = ipv6 ? ["fd00::/16", "fd01::/16", "ff00::/8"] : ["10.0.0.0/8", "11.0.0.0/8", "224.0.0.0/3"];
	const place = [address, "inet_proto", "inet_service"] as const;
	const sets: EveryStatement["sets"] = [
		{
			set: { name: "services", key: place, data: "verdict" },
			elements: [
				{ key: [host(1), "tcp", 80], data: { type: "goto", chain: "random-2" } },
				{ key: [host(1), "udp", 53], data: { type: "drop" } },
				{ key: [host(2), "sctp", 9], data: { type: "accept" } },
				{ key: [host(3), "tcp", 9], data: { type: "return" } },
				{ key: [host(4), "tcp", 9], data: { type: "jump", chain: "empty" } },
			],
		},
		{
			set: { name: "endpoints", key: [...place, "slot"], data: [address, "inet_service"] },
			elements: [
				{ key: [host(1), "tcp", 80, 0], data: [host(2), 8080] },
				{ key: [host(1), "tcp", 80, 65536], data: [host(3), 8081] },
			],
		},
		{
			set: { name: "node-ports", key: ["inet_proto", "inet_service"], data: "verdict" },
			elements: [{ key: ["tcp", 30000], data: { type: "goto", chain: "random-2" } }],
		},
		{
			set: { name: "ranges", key: [...place, address], interval: true },
			elements: [{ key: [host(1), "tcp", 80, wide] }, { key: [host(1), "tcp", "81-90", host(9)] }],
		},
		{
			set: { name: "nets", key: [address], interval: true },
			elements: [{ key: [wide] }, { key: [next] }, { key: [top] }],
		},
		{
			set: { name: "ports", key: ["inet_service"], interval: true, data: "verdict" },
			elements: [
				{ key: [53], data: { type: "drop" } },
				{ key: ["1000-2000"], data: { type: "accept" } },
			],
		},
		{ set: { name: "seen", key: [address], dynamic: { timeoutSec: 10_800, size: 65_536 } }, elements: [] },
		{
			set: { name: "fronts", key: [address, "inet_service"], data: [address, "inet_service"] },
			elements: [{ key: [host(2), 8080], data: [host(1), 80] }],
		},
		{ set: { name: "hairpin", key: [address, address] }, elements: [{ key: [host(1), host(1)] }] },
		{ set: { name: "marks", key: ["mark", "ifname"] }, elements: [{ key: [0x4000, "eth0"] }] },
		{ set: { name: "links", key: ["ifname"] }, elements: [{ key: ["eth0"] }] },
		{ set: { name: "protocols", key: ["inet_proto"] }, elements: [{ key: ["sctp"] }] },
		{ set: { name: "slots", key: ["slot"], data: "verdict" }, elements: [{ key: [7], data: { type: "drop" } }] },
	];
	const ported = ["tcp", "udp", "sctp"] as const;
	const key = [destination, "meta l4proto", "th dport"] as const;
	const counter: NftStatement = { type: "counter" };
	const rules: readonly (readonly [chain: string, ...NftStatement[]])[] = [
		[
			"random-2",
			{
				type: "dnatMap",
				protocol: ported,
				key: [...key, { numgen: "random", mod: 2, offset: 65536 }],
				map: "endpoints",
			},
		],
		[
			"source-3",
			{ type: "dnatMap", protocol: ported, key: [...key, { jhash: [source], mod: 3, seed: 1 }], map: "endpoints" },
		],
		[
			"maglev-251",
			{
				type: "dnatMap",
				protocol: ["tcp"],
				key: [...key, { jhash: [source, "th sport"], mod: 251, seed: 7, offset: 65536 }],
				map: "endpoints",
			},
		],
		[
			"pick-2",
			{
				type: "pick",
				by: { numgen: "inc", mod: 2 },
				verdicts: [
					{ type: "goto", chain: "empty" },
					{ type: "jump", chain: "random-2" },
				],
			},
		],
		["rest", { type: "dnat", protocol: ["tcp"], address: host(7), port: 80 }],
		["rest", { type: "dnat", protocol: ["tcp", "udp"], address: host(7), port: 80 }],
		["rest", { type: "dnat", protocol: ported, address: host(7), port: 0 }],
		["rest", { type: "update", key: [source], set: "seen" }],
		["rest", { type: "in", key: [source], set: "seen", not: true }, { type: "verdict", verdict: { type: "drop" } }],
		["rest", { type: "in", key: [source], set: "nets" }, counter],
		["rest", { type: "in", key: [...key, source], set: "ranges" }, counter],
		[
			"rest",
			{ type: "ctStatusDnat" },
			{ type: "in", key: [source, destination], set: "hairpin" },
			{ type: "masquerade", fullyRandom: true },
		],
		[
			"rest",
			{ type: "markBit", mask: 0x4000 },
			{ type: "setMarkBit", mask: 0x4000, clear: true },
			{ type: "masquerade", fullyRandom: false },
		],
		["rest", { type: "markBit", mask: 0x4000, not: true }, { type: "setMarkBit", mask: 0x4000 }],
		["rest", { type: "vmap", key, map: "services" }],
		["rest", { type: "vmap", key: ["meta l4proto", "th dport"], map: "node-ports" }],
		["rest", { type: "match", left: source, value: wide ?? "" }, counter],
		["rest", { type: "match", left: source, value: host(1), not: true }, counter],
		["rest", { type: "match", left: source, value: `${host(1)}-${host(5)}` }, counter],
		["rest", { type: "match", left: "meta iifname", value: "eth0" }, counter],
		["rest", { type: "match", left: "meta iifname", value: "eth*", not: true }, counter],
		[
			"rest",
			{ type: "match", left: "meta l4proto", value: "udp" },
			{ type: "match", left: "th dport", value: "53-60" },
			counter,
		],
		["rest", { type: "match", left: "meta mark", value: 5 }, { type: "verdict", verdict: { type: "return" } }],
		["guard", { type: "ctState", states: ["new"] }, { type: "verdict", verdict: { type: "jump", chain: "refuse" } }],
		[
			"guard",
			{ type: "ctState", states: ["established", "related"] },
			{ type: "verdict", verdict: { type: "accept" } },
		],
		[
			"post",
			{ type: "match", left: "meta l4proto", value: "tcp" },
			{ type: "tcpFlags", none: ["syn", "rst"] },
			{ type: "snatMap", key: [source, "th sport"], map: "fronts" },
		],
		["rest", { type: "tcpFlags", none: ["fin"] }, counter],
		["refuse", { type: "reject", with: "tcpReset" }],
		["refuse", { type: "match", left: "meta l4proto", value: "tcp" }, { type: "reject", with: "tcpReset" }],
		["refuse", { type: "reject", with: "portUnreachable" }],
	];
	const changes: readonly Change[] = [
		{ type: "addTable" },
		...sets.map(({ set }): Change => ({ type: "addSet", set })),
		...["random-2", "empty", "source-3", "maglev-251", "pick-2", "rest", "refuse"].map(
			(name): Change => ({ type: "addChain", chain: { name } }),
		),
		{ type: "addChain", chain: { name: "guard", hook: { type: "filter", hook: "prerouting", priority: -110 } } },
		{ type: "addChain", chain: { name: "post", hook: { type: "nat", hook: "postrouting", priority: 100 } } },
		...sets
			.filter(({ elements }) => elements.length > 0)
			.map(({ set, elements }): Change => ({ type: "addElements", set, elements })),
		...rules.map(([chain, ...statements]): Change => ({ type: "addRule", chain, rule: rule(statements) })),
	];
	return { table, sets, changes: changes.map((change) => ({ table, change })) };
}

/** The first statement's kind is the comment, with a quote that has to be written otherwise. */
const rule = (statements: readonly NftStatement[]): NftRule => ({
	statements,
	comment: `first "${statements[0]?.type}"`,
});
