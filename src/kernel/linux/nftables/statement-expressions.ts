// Statements of a rule as expressions, as nft 1.0.6 makes them. In: a statement, the table's family, the id of the set that
// belongs to it. Out: expressions.

import type { NftFamily, NftSelector, NftStatement, NftTcpFlag, NftVerdict } from "../../../l4/nftables/ruleset.ts";
import * as nft from "../abi/nf-tables.ts";
import { NFPROTO_IPV4, NFPROTO_IPV6 } from "../abi/nfnetlink.ts";
import { addressBytes } from "../ip-text.ts";
import type { BatchWriter } from "./batch-writer.ts";
import { writeVerdict } from "./element-messages.ts";
import {
	bitwise,
	hostWord,
	writeBits,
	writeMatch,
	writeNoBits,
	writeProtocol,
	writeValueAs,
} from "./match-expressions.ts";
import { expression, loadKey, loadMeta, loadTcpFlags, register } from "./selector-expressions.ts";

/** Bits of NFT_CT_STATE. */
const stateBits = { invalid: 1, established: 2, related: 4, new: 8 };
const tcpFlagBits: Readonly<Record<NftTcpFlag, number>> = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 };
/** IPS_DST_NAT of a connection's status. */
const statusDnat = 0x20;

export interface StatementPlace {
	readonly family: NftFamily;
	/** Of the set that belongs to the statement. */
	readonly setId: number | undefined;
	/** An earlier statement of the rule lets TCP through and nothing else. */
	readonly onlyTcp: boolean;
}

export function writeStatement(writer: BatchWriter, statement: NftStatement, place: StatementPlace): void {
	switch (statement.type) {
		case "match":
			writeMatch(writer, statement.left, statement.value, statement.not ?? false);
			return;
		case "in":
			loadKey(writer, statement.key);
			lookUp(writer, { set: statement.set, not: statement.not ?? false });
			return;
		case "ctState": {
			loadConnection(writer, nft.NFT_CT_STATE);
			writeBits(
				writer,
				statement.states.reduce((bits, state) => bits | stateBits[state], 0),
				true,
			);
			return;
		}
		case "ctStatusDnat":
			loadConnection(writer, nft.NFT_CT_STATUS);
			writeBits(writer, statusDnat, true);
			return;
		case "tcpFlags":
			if (!place.onlyTcp) writeProtocol(writer, "tcp");
			loadTcpFlags(writer);
			writeNoBits(
				writer,
				statement.none.reduce((bits, flag) => bits | tcpFlagBits[flag], 0),
			);
			return;
		case "markBit":
			loadMeta(writer, 0, nft.NFT_META_MARK);
			writeBits(writer, statement.mask, !statement.not);
			return;
		case "setMarkBit":
			setMark(writer, statement.mask, statement.clear ?? false);
			return;
		case "vmap":
			loadKey(writer, statement.key);
			lookUp(writer, { set: statement.map, to: nft.NFT_REG_VERDICT });
			return;
		case "pick":
			loadKey(writer, [statement.by]);
			lookUp(writer, { set: "__map%d", id: place.setId, to: nft.NFT_REG_VERDICT });
			return;
		case "dnatMap":
			matchProtocols(writer, statement.protocol, place.setId);
			translateByMap(writer, nft.NFT_NAT_DNAT, statement, place);
			return;
		case "snatMap":
			translateByMap(writer, nft.NFT_NAT_SNAT, statement, place);
			return;
		case "dnat": {
			const address = addressBytes(statement.address);
			const { port } = statement;
			if (port !== 0) matchProtocols(writer, statement.protocol, place.setId);
			immediate(writer, 0, address);
			if (port !== 0) immediate(writer, 4, Uint8Array.of(port >> 8, port & 0xff));
			translate(writer, nft.NFT_NAT_DNAT, address.length === 16, port === 0 ? undefined : 4, true);
			return;
		}
		case "update":
			loadKey(writer, statement.key);
			expression(writer, "dynset", () => {
				writer.u32(nft.NFTA_DYNSET_SREG_KEY, register(0));
				writer.u32(nft.NFTA_DYNSET_OP, nft.NFT_DYNSET_OP_UPDATE);
				writer.name(nft.NFTA_DYNSET_SET_NAME, statement.set);
			});
			return;
		case "masquerade":
			expression(writer, "masq", () => {
				if (statement.fullyRandom) writer.u32(nft.NFTA_MASQ_FLAGS, nft.NF_NAT_RANGE_PROTO_RANDOM_FULLY);
			});
			return;
		case "reject":
			if (statement.with === "tcpReset" && !place.onlyTcp) writeProtocol(writer, "tcp");
			reject(writer, place.family, statement.with);
			return;
		case "counter":
			expression(writer, "counter", () => {});
			return;
		case "verdict":
			writeVerdictStatement(writer, statement.verdict);
			return;
		default:
			statement satisfies never;
	}
}

const isIpv6 = (selector: NftSelector): boolean => typeof selector === "string" && selector.startsWith("ip6 ");

interface LookUp {
	readonly set: string;
	readonly id?: number | undefined;
	/** The register for what a map gives. */
	readonly to?: number;
	readonly not?: boolean;
}

function lookUp(writer: BatchWriter, { set, id, to, not }: LookUp): void {
	expression(writer, "lookup", () => {
		writer.u32(nft.NFTA_LOOKUP_SREG, register(0));
		if (to !== undefined) writer.u32(nft.NFTA_LOOKUP_DREG, to);
		writer.name(nft.NFTA_LOOKUP_SET, set);
		if (id !== undefined) writer.u32(nft.NFTA_LOOKUP_SET_ID, id);
		if (not) writer.u32(nft.NFTA_LOOKUP_FLAGS, nft.NFT_LOOKUP_F_INV);
	});
}

function matchProtocols(writer: BatchWriter, protocols: readonly string[], setId: number | undefined): void {
	const [only] = protocols;
	if (only && protocols.length === 1) {
		writeProtocol(writer, only);
		return;
	}
	loadMeta(writer, 0, nft.NFT_META_L4PROTO);
	lookUp(writer, { set: "__set%d", id: setId });
}

function translateByMap(
	writer: BatchWriter,
	type: number,
	{ key, map }: { readonly key: readonly NftSelector[]; readonly map: string },
	{ family }: StatementPlace,
): void {
	loadKey(writer, key);
	lookUp(writer, { set: map, to: register(0) });
	const ipv6 = family === "ip6" || (family === "inet" && key.some(isIpv6));
	translate(writer, type, ipv6, ipv6 ? 4 : 1, false);
}

/** The address in the first register, the port in another one or left as it is. */
function translate(
	writer: BatchWriter,
	type: number,
	ipv6: boolean,
	portWord: number | undefined,
	portIsFixed: boolean,
): void {
	expression(writer, "nat", () => {
		writer.u32(nft.NFTA_NAT_TYPE, type);
		writer.u32(nft.NFTA_NAT_FAMILY, ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
		writer.u32(nft.NFTA_NAT_REG_ADDR_MIN, register(0));
		if (portWord === undefined) return;
		writer.u32(nft.NFTA_NAT_REG_PROTO_MIN, register(portWord));
		if (portIsFixed) writer.u32(nft.NFTA_NAT_FLAGS, nft.NF_NAT_RANGE_PROTO_SPECIFIED);
	});
}

function loadConnection(writer: BatchWriter, key: number): void {
	expression(writer, "ct", () => {
		writer.u32(nft.NFTA_CT_KEY, key);
		writer.u32(nft.NFTA_CT_DREG, register(0));
	});
}

function setMark(writer: BatchWriter, mask: number, clear: boolean): void {
	loadMeta(writer, 0, nft.NFT_META_MARK);
	bitwise(writer, hostWord(~mask), hostWord(clear ? 0 : mask));
	expression(writer, "meta", () => {
		writer.u32(nft.NFTA_META_KEY, nft.NFT_META_MARK);
		writer.u32(nft.NFTA_META_SREG, register(0));
	});
}

function immediate(writer: BatchWriter, word: number, value: Uint8Array): void {
	expression(writer, "immediate", () => {
		writer.u32(nft.NFTA_IMMEDIATE_DREG, register(word));
		writeValueAs(writer, nft.NFTA_IMMEDIATE_DATA, value);
	});
}

function writeVerdictStatement(writer: BatchWriter, verdict: NftVerdict): void {
	expression(writer, "immediate", () => {
		writer.u32(nft.NFTA_IMMEDIATE_DREG, nft.NFT_REG_VERDICT);
		const data = writer.open(nft.NFTA_IMMEDIATE_DATA);
		writeVerdict(writer, verdict);
		writer.close(data);
	});
}

/** Codes: port unreachable of ICMP (3), of ICMPv6 (4), and of nftables' word for both (1). */
function reject(writer: BatchWriter, family: NftFamily, how: "tcpReset" | "portUnreachable"): void {
	const [type, code] =
		how === "tcpReset"
			? [nft.NFT_REJECT_TCP_RST, 0]
			: family === "inet"
				? [nft.NFT_REJECT_ICMPX_UNREACH, 1]
				: [nft.NFT_REJECT_ICMP_UNREACH, family === "ip" ? 3 : 4];
	expression(writer, "reject", () => {
		writer.u32(nft.NFTA_REJECT_TYPE, type);
		const at = writer.value(nft.NFTA_REJECT_ICMP_CODE, 1);
		writer.memory()[at] = code;
	});
}
