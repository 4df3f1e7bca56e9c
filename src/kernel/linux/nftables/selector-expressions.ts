// Selectors as expressions that load a packet's property, or a number, into registers. In: a selector and the register, counted
// in words of 4 bytes. Out: expressions of a rule, as nft 1.0.6 makes them.

import type { NftSelector, NftType } from "../../../l4/nftables/ruleset.ts";
import * as nft from "../abi/nf-tables.ts";
import type { BatchWriter } from "./batch-writer.ts";
import { paddedWidth } from "./value-bytes.ts";

export const register = (word: number): number => nft.NFT_REG32_00 + word;

export function expression(writer: BatchWriter, name: string, write: () => void): void {
	const element = writer.open(nft.NFTA_LIST_ELEM);
	writer.name(nft.NFTA_EXPR_NAME, name);
	const data = writer.open(nft.NFTA_EXPR_DATA);
	write();
	writer.close(data);
	writer.close(element);
}

export function selectorType(selector: NftSelector): NftType {
	if (typeof selector === "object") return "slot";
	switch (selector) {
		case "ip saddr":
		case "ip daddr":
			return "ipv4_addr";
		case "ip6 saddr":
		case "ip6 daddr":
			return "ipv6_addr";
		case "meta l4proto":
			return "inet_proto";
		case "th sport":
		case "th dport":
			return "inet_service";
		case "meta mark":
			return "mark";
		case "meta iifname":
			return "ifname";
		default:
			return selector satisfies never;
	}
}

export const selectorWords = (selector: NftSelector): number => paddedWidth(selectorType(selector)) / 4;

/** One after another from `word` on; sources of hashes go behind all of them. */
export function loadKey(writer: BatchWriter, key: readonly NftSelector[], word = 0): void {
	const end = key.reduce((sum, selector) => sum + selectorWords(selector), word);
	let at = word;
	for (const selector of key) {
		load(writer, selector, at, end);
		at += selectorWords(selector);
	}
}

function load(writer: BatchWriter, selector: NftSelector, word: number, freeWord: number): void {
	if (typeof selector === "object") {
		if ("numgen" in selector) loadNumber(writer, selector, word);
		else loadHash(writer, selector, word, freeWord);
		return;
	}
	switch (selector) {
		case "ip saddr":
			loadPayload(writer, word, nft.NFT_PAYLOAD_NETWORK_HEADER, 12, 4);
			return;
		case "ip daddr":
			loadPayload(writer, word, nft.NFT_PAYLOAD_NETWORK_HEADER, 16, 4);
			return;
		case "ip6 saddr":
			loadPayload(writer, word, nft.NFT_PAYLOAD_NETWORK_HEADER, 8, 16);
			return;
		case "ip6 daddr":
			loadPayload(writer, word, nft.NFT_PAYLOAD_NETWORK_HEADER, 24, 16);
			return;
		case "th sport":
			loadPayload(writer, word, nft.NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2);
			return;
		case "th dport":
			loadPayload(writer, word, nft.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
			return;
		case "meta l4proto":
			loadMeta(writer, word, nft.NFT_META_L4PROTO);
			return;
		case "meta mark":
			loadMeta(writer, word, nft.NFT_META_MARK);
			return;
		case "meta iifname":
			loadMeta(writer, word, nft.NFT_META_IIFNAME);
			return;
		default:
			selector satisfies never;
	}
}

export function loadMeta(writer: BatchWriter, word: number, key: number): void {
	expression(writer, "meta", () => {
		writer.u32(nft.NFTA_META_KEY, key);
		writer.u32(nft.NFTA_META_DREG, register(word));
	});
}

/** The flags of a TCP packet, one byte. */
export function loadTcpFlags(writer: BatchWriter): void {
	loadPayload(writer, 0, nft.NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
}

function loadPayload(writer: BatchWriter, word: number, base: number, offset: number, length: number): void {
	expression(writer, "payload", () => {
		writer.u32(nft.NFTA_PAYLOAD_DREG, register(word));
		writer.u32(nft.NFTA_PAYLOAD_BASE, base);
		writer.u32(nft.NFTA_PAYLOAD_OFFSET, offset);
		writer.u32(nft.NFTA_PAYLOAD_LEN, length);
	});
}

function loadNumber(writer: BatchWriter, selector: Extract<NftSelector, { numgen: unknown }>, word: number): void {
	expression(writer, "numgen", () => {
		writer.u32(nft.NFTA_NG_DREG, register(word));
		writer.u32(nft.NFTA_NG_MODULUS, selector.mod);
		writer.u32(nft.NFTA_NG_TYPE, selector.numgen === "inc" ? nft.NFT_NG_INCREMENTAL : nft.NFT_NG_RANDOM);
		writer.u32(nft.NFTA_NG_OFFSET, selector.offset ?? 0);
	});
}

/** What is hashed begins at a multiple of 16 bytes where there is room, as nft has it. */
function loadHash(
	writer: BatchWriter,
	selector: Extract<NftSelector, { jhash: unknown }>,
	word: number,
	freeWord: number,
): void {
	const words = selector.jhash.reduce((sum, part) => sum + selectorWords(part), 0);
	const roomy = (freeWord + 3) & ~3;
	const source = roomy + words <= 16 ? roomy : freeWord;
	if (source + words > 16) throw new Error("the hash and the key it is part of do not fit into the kernel's registers");
	loadKey(writer, selector.jhash, source);
	expression(writer, "hash", () => {
		writer.u32(nft.NFTA_HASH_SREG, register(source));
		writer.u32(nft.NFTA_HASH_DREG, register(word));
		writer.u32(nft.NFTA_HASH_LEN, words * 4);
		writer.u32(nft.NFTA_HASH_MODULUS, selector.mod);
		writer.u32(nft.NFTA_HASH_SEED, selector.seed);
		writer.u32(nft.NFTA_HASH_OFFSET, selector.offset ?? 0);
		writer.u32(nft.NFTA_HASH_TYPE, nft.NFT_HASH_JENKINS);
	});
}
