// What `nft list` must know of a set to print its elements: numbers of types, and the expressions that `typeof` names. The kernel
// keeps the second for us without looking (NFTA_SET_USERDATA); its form is libnftnl's, read off what nft 1.0.6 sends.

import type { NftSet, NftType } from "../../../l4/nftables/ruleset.ts";
import { NFT_META_IIFNAME, NFT_META_L4PROTO, NFT_META_MARK } from "../abi/nf-tables.ts";

/** Of nft's list of types; a concatenation has 6 bits for each. A slot is a plain integer. */
const typeNumbers: Readonly<Record<NftType, number>> = {
	slot: 4,
	ipv4_addr: 7,
	ipv6_addr: 8,
	inet_proto: 12,
	inet_service: 13,
	mark: 19,
	ifname: 41,
};

export function typeNumber(types: readonly NftType[]): number {
	return types.reduce((number, type) => (number << 6) | typeNumbers[type], 0);
}

/** Concatenations and slots print as `typeof`, others as `type`. */
export function setUserData(set: NftSet): Buffer {
	const parts = [field(0, word(byteOrder(set.key)))];
	const { data } = set;
	if (data) parts.push(field(1, word(data === "verdict" ? 0 : byteOrder(data))));
	const needsTypeof = set.key.length > 1 || set.key.includes("slot");
	if (needsTypeof) parts.push(field(3, typeofTypes(set.key)));
	if (data) {
		if (needsTypeof) parts.push(field(4, data === "verdict" ? expression(1, []) : typeofTypes(data)));
		parts.push(field(6, word(0)));
	}
	return Buffer.concat(parts);
}

/** 1: the machine's, 2: network order, 0: a concatenation, which has none. */
function byteOrder(types: readonly NftType[]): number {
	const [only] = types;
	if (!only || types.length > 1) return 0;
	return only === "ipv4_addr" || only === "ipv6_addr" || only === "inet_service" ? 2 : 1;
}

function typeofTypes(types: readonly NftType[]): Buffer {
	const seen = new Set<NftType>();
	const expressions = types.map((type) => {
		const again = seen.has(type);
		seen.add(type);
		return typeofType(type, again);
	});
	const [only] = expressions;
	if (only && expressions.length === 1) return only;
	return expression(
		13,
		expressions.map((bytes, index) => field(index, bytes)),
	);
}

/** The second address or port of a key is the source's. */
function typeofType(type: NftType, again: boolean): Buffer {
	switch (type) {
		case "ipv4_addr":
			return payload(12, again ? 11 : 12);
		case "ipv6_addr":
			return payload(13, again ? 8 : 9);
		case "inet_service":
			return payload(11, again ? 1 : 2);
		case "inet_proto":
			return meta(NFT_META_L4PROTO);
		case "mark":
			return meta(NFT_META_MARK);
		case "ifname":
			return meta(NFT_META_IIFNAME);
		case "slot":
			return expression(23, [field(0, word(1)), field(1, word(2)), field(2, word(0))]);
		default:
			return type satisfies never;
	}
}

const payload = (header: number, part: number): Buffer => expression(7, [field(0, word(header)), field(1, word(part))]);
const meta = (key: number): Buffer => expression(9, [field(0, word(key))]);

function expression(kind: number, parts: readonly Buffer[]): Buffer {
	return Buffer.concat([field(0, word(kind)), field(1, Buffer.concat(parts))]);
}

/** Type and length in a byte each. */
export function field(type: number, value: Uint8Array): Buffer {
	if (value.length > 255) throw new Error(`${value.length} bytes do not fit into a field of user data`);
	return Buffer.concat([Uint8Array.of(type, value.length), value]);
}

function word(value: number): Buffer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(value);
	return bytes;
}
