// Comparisons as expressions: a loaded register with a value, a range or a mask. In: a register and values. Out: expressions.

import type { NftFamily, NftSelector, NftValue } from "../../../l4/nftables/ruleset.ts";
import * as nft from "../abi/nf-tables.ts";
import { NFPROTO_IPV4, NFPROTO_IPV6 } from "../abi/nfnetlink.ts";
import type { BatchWriter } from "./batch-writer.ts";
import { expression, loadKey, loadMeta, register, selectorType } from "./selector-expressions.ts";
import { protocolNumber, widthOf } from "./value-bytes.ts";
import { byteRange } from "./value-ranges.ts";

export function writeMatch(writer: BatchWriter, left: NftSelector, value: NftValue, not: boolean): void {
	const type = selectorType(left);
	loadKey(writer, [left]);
	if (type === "ifname" && typeof value === "string" && value.endsWith("*")) {
		compare(writer, 0, Buffer.from(value.slice(0, -1)), not);
		return;
	}
	const { first, last } = byteRange(type, value);
	if (first.equals(last)) {
		compare(writer, 0, first, not);
		return;
	}
	const prefix = typeof value === "string" && value.includes("/") ? Number(value.split("/")[1]) : undefined;
	if (prefix === undefined) {
		if (type === "mark" || type === "slot") throw new Error(`${value}: a range of numbers cannot be matched`);
		expression(writer, "range", () => {
			writer.u32(nft.NFTA_RANGE_SREG, register(0));
			writer.u32(nft.NFTA_RANGE_OP, not ? nft.NFT_RANGE_NEQ : nft.NFT_RANGE_EQ);
			writeValueAs(writer, nft.NFTA_RANGE_FROM_DATA, first);
			writeValueAs(writer, nft.NFTA_RANGE_TO_DATA, last);
		});
		return;
	}
	const mask = Buffer.alloc(widthOf(type));
	for (let bit = 0; bit < prefix; bit++) mask[bit >> 3] = (mask[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
	bitwise(writer, mask, Buffer.alloc(mask.length));
	compare(writer, 0, first, not);
}

/** `meta l4proto`, which TCP resets and ports in rules need. */
export function writeProtocol(writer: BatchWriter, protocol: string): void {
	loadMeta(writer, 0, nft.NFT_META_L4PROTO);
	compare(writer, 0, Uint8Array.of(protocolNumber(protocol)), false);
}

/** In a table of both families, packets of the other one have no such address. */
export function writeFamilyMatch(writer: BatchWriter, family: Exclude<NftFamily, "inet">): void {
	loadMeta(writer, 0, nft.NFT_META_NFPROTO);
	compare(writer, 0, Uint8Array.of(family === "ip" ? NFPROTO_IPV4 : NFPROTO_IPV6), false);
}

/** Some bit of the mask is set, or none. */
export function writeBits(writer: BatchWriter, mask: number, someSet: boolean): void {
	bitwise(writer, hostWord(mask), Buffer.alloc(4));
	compare(writer, 0, Buffer.alloc(4), someSet);
}

/** None of these bits of a loaded byte is set. */
export function writeNoBits(writer: BatchWriter, bits: number): void {
	bitwise(writer, Uint8Array.of(bits), Uint8Array.of(0));
	compare(writer, 0, Uint8Array.of(0), false);
}

export function bitwise(writer: BatchWriter, mask: Uint8Array, xor: Uint8Array): void {
	expression(writer, "bitwise", () => {
		writer.u32(nft.NFTA_BITWISE_SREG, register(0));
		writer.u32(nft.NFTA_BITWISE_DREG, register(0));
		writer.u32(nft.NFTA_BITWISE_LEN, mask.length);
		writeValueAs(writer, nft.NFTA_BITWISE_MASK, mask);
		writeValueAs(writer, nft.NFTA_BITWISE_XOR, xor);
	});
}

export function writeValueAs(writer: BatchWriter, attribute: number, value: Uint8Array): void {
	const data = writer.open(attribute);
	writer.bytes(nft.NFTA_DATA_VALUE, value);
	writer.close(data);
}

export function hostWord(value: number): Buffer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(value >>> 0);
	return bytes;
}

function compare(writer: BatchWriter, word: number, value: Uint8Array, not: boolean): void {
	expression(writer, "cmp", () => {
		writer.u32(nft.NFTA_CMP_SREG, register(word));
		writer.u32(nft.NFTA_CMP_OP, not ? nft.NFT_CMP_NEQ : nft.NFT_CMP_EQ);
		writeValueAs(writer, nft.NFTA_CMP_DATA, value);
	});
}
