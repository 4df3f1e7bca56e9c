// nftables as values: tables, chains, sets, rules. In: nothing. Out: the form that plans are made of, that prints as the text
// `nft` takes, and that kernel/linux/nftables sends by netlink. Only what layer 4 needs (nft(8)).

export type NftFamily = "ip" | "ip6" | "inet";

export interface NftTable {
	readonly family: NftFamily;
	readonly name: string;
}

/** All that a table holds, except what packets put into its dynamic sets. */
export interface NftTableContents {
	readonly table: NftTable;
	readonly sets: readonly { readonly set: NftSet; readonly elements: readonly NftElement[] }[];
	readonly chains: readonly { readonly chain: NftChain; readonly rules: readonly NftRule[] }[];
}

export interface NftChain {
	readonly name: string;
	/** Absent: a chain that others jump to. */
	readonly hook?: {
		readonly type: "nat" | "filter";
		readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
		readonly priority: number;
	};
}

/** A set, or a map when it has `data`. */
export interface NftSet {
	readonly name: string;
	/** One, or a concatenation. */
	readonly key: readonly NftType[];
	readonly data?: readonly NftType[] | "verdict";
	/** Elements may be ranges: `10.0.0.0/8`. */
	readonly interval?: boolean;
	/** Filled by the packets themselves; elements leave after that time. Memory for `size` of them is taken at once; default 65,535, as they come. */
	readonly dynamic?: { readonly timeoutSec: number; readonly size?: number };
}

/** What a part of a key or of data is: decides its width and how it prints. `slot` is the number that numgen or jhash gives. */
export type NftType = "ipv4_addr" | "ipv6_addr" | "inet_proto" | "inet_service" | "mark" | "slot" | "ifname";

/** As in NftType's order: addresses and ranges as text, protocols `tcp`, ports, marks and slots as numbers. */
export type NftValue = string | number;

export interface NftElement {
	readonly key: readonly NftValue[];
	readonly data?: readonly NftValue[] | NftVerdict;
	/** Leaves after so long, in a set whose elements do; absent: after the set's own time. Not printed as text. */
	readonly timeoutMs?: number;
	/** Only of elements that were read, in a set whose elements leave after a time. */
	readonly remainingMs?: number;
}

export type NftVerdict =
	| { readonly type: "goto" | "jump"; readonly chain: string }
	| { readonly type: "accept" | "drop" | "return" };

export interface NftRule {
	readonly statements: readonly NftStatement[];
	readonly comment?: string;
}

export type NftStatement =
	/** Interface names may end in `*`: all that begin so. */
	| { readonly type: "match"; readonly left: NftSelector; readonly not?: boolean; readonly value: NftValue }
	/** `ip saddr . ip daddr @hairpin`. */
	| { readonly type: "in"; readonly key: readonly NftSelector[]; readonly not?: boolean; readonly set: string }
	| { readonly type: "ctState"; readonly states: readonly ("new" | "established" | "related" | "invalid")[] }
	/** `ct status dnat`. */
	| { readonly type: "ctStatusDnat" }
	/** `tcp flags ! syn,rst`: none of them is set. */
	| { readonly type: "tcpFlags"; readonly none: readonly NftTcpFlag[] }
	/** `meta mark & MASK != 0`, or == 0 with `not`. */
	| { readonly type: "markBit"; readonly mask: number; readonly not?: boolean }
	/** `meta mark set meta mark | MASK`, or `& ~MASK` with `clear`. */
	| { readonly type: "setMarkBit"; readonly mask: number; readonly clear?: boolean }
	| { readonly type: "vmap"; readonly key: readonly NftSelector[]; readonly map: string }
	/** `dnat to KEY map @MAP`: address and port out of a map, whose data is `ADDRESS . PORT`. */
	| {
			readonly type: "dnatMap";
			readonly protocol: NftProtocols;
			readonly key: readonly NftSelector[];
			readonly map: string;
	  }
	/** `snat to KEY map @MAP`, after the protocol was matched: the source's address and port out of a map like that of `dnatMap`. */
	| { readonly type: "snatMap"; readonly key: readonly NftSelector[]; readonly map: string }
	/** Port 0: the port stays as it is, and the protocol need not be known. */
	| { readonly type: "dnat"; readonly protocol: NftProtocols; readonly address: string; readonly port: number }
	/** `update @SET { KEY }`. */
	| { readonly type: "update"; readonly key: readonly NftSelector[]; readonly set: string }
	/** A slot picks the verdict of an anonymous map, `numgen random mod 2 vmap { 0 : goto a, 1 : goto b }`. */
	| { readonly type: "pick"; readonly by: NftSelector; readonly verdicts: readonly NftVerdict[] }
	| { readonly type: "masquerade"; readonly fullyRandom: boolean }
	| { readonly type: "reject"; readonly with: "tcpReset" | "portUnreachable" }
	| { readonly type: "counter" }
	| { readonly type: "verdict"; readonly verdict: NftVerdict };

/** A port can be read only where the packet's protocol is known to have one: the rule says so first. */
export type NftProtocols = readonly ("tcp" | "udp" | "sctp")[];

export type NftTcpFlag = "fin" | "syn" | "rst" | "psh" | "ack" | "urg";

export type NftSelector =
	| "ip saddr"
	| "ip daddr"
	| "ip6 saddr"
	| "ip6 daddr"
	| "meta l4proto"
	| "th sport"
	| "th dport"
	| "meta mark"
	| "meta iifname"
	| { readonly numgen: "inc" | "random"; readonly mod: number; readonly offset?: number }
	| { readonly jhash: readonly NftSelector[]; readonly mod: number; readonly seed: number; readonly offset?: number };
