// Elements of sets as messages. In: elements. Out: as many NEWSETELEM or DELSETELEM messages as it takes, since all elements of
// one are a single attribute of at most 64 KB. This is where most of a large transaction's time goes: no garbage per element.

import type { NftElement, NftSet, NftVerdict } from "../../../l4/nftables/ruleset.ts";
import * as nft from "../abi/nf-tables.ts";
import type { BatchWriter } from "./batch-writer.ts";
import { keyLength, paddedWidth, writeValues } from "./value-bytes.ts";
import { byteRange, successor } from "./value-ranges.ts";

/** Of one attribute, with room for the largest element. */
const mostBytes = 64_000;

export interface ElementOrder {
	readonly set: NftSet;
	readonly elements: readonly NftElement[];
	readonly remove: boolean;
	/** Starts a message of that kind and writes which set is meant. */
	readonly start: () => void;
}

export function writeElements(writer: BatchWriter, { set, elements, remove, start }: ElementOrder): void {
	const length = keyLength(set.key);
	const write = elementWriter(writer, set, length, remove);
	writer.reserve(Math.max(elements.length - 1, 0) * usualBytes(set, length, remove));
	let index = 0;
	while (index < elements.length) {
		start();
		const list = writer.open(nft.NFTA_SET_ELEM_LIST_ELEMENTS);
		while (index < elements.length && writer.length - list < mostBytes) write(elements[index++] as NftElement);
		writer.close(list);
		writer.endMessage();
	}
}

/** Of one element, so that memory grows once; chains' names are short. */
function usualBytes(set: NftSet, length: number, remove: boolean): number {
	const key = 12 + ((length + 3) & ~3);
	if (remove || !set.data) return key;
	return key + (set.data === "verdict" ? 40 : 8 + ((keyLength(set.data) + 3) & ~3));
}

function elementWriter(
	writer: BatchWriter,
	set: NftSet,
	length: number,
	remove: boolean,
): (element: NftElement) => void {
	if (!set.interval) return (element) => writePlain(writer, set, length, element, remove);
	if (set.key.length > 1) return (element) => writeConcatenatedRange(writer, set, length, element, remove);
	return (element) => writeRange(writer, set, element, remove);
}

function writePlain(writer: BatchWriter, set: NftSet, length: number, element: NftElement, remove: boolean): void {
	const opened = writer.open(nft.NFTA_LIST_ELEM);
	const key = writer.open(nft.NFTA_SET_ELEM_KEY);
	const at = writer.value(nft.NFTA_DATA_VALUE, length);
	writeValues(writer.memory(), at, set.key, element.key);
	writer.close(key);
	if (!remove) writeData(writer, set, element);
	if (!remove && element.timeoutMs !== undefined) writer.u64(nft.NFTA_SET_ELEM_TIMEOUT, BigInt(element.timeoutMs));
	writer.close(opened);
}

/** First and last value of every part. */
function writeConcatenatedRange(
	writer: BatchWriter,
	set: NftSet,
	length: number,
	element: NftElement,
	remove: boolean,
): void {
	const ranges = set.key.map((type, index) => byteRange(type, element.key[index] ?? ""));
	const opened = writer.open(nft.NFTA_LIST_ELEM);
	for (const [attribute, end] of [
		[nft.NFTA_SET_ELEM_KEY, "first"],
		[nft.NFTA_SET_ELEM_KEY_END, "last"],
	] as const) {
		const key = writer.open(attribute);
		let at = writer.value(nft.NFTA_DATA_VALUE, length);
		for (const [index, range] of ranges.entries()) {
			writer.memory().set(range[end], at);
			at += paddedWidth(set.key[index] ?? "slot");
		}
		writer.close(key);
	}
	if (!remove) writeData(writer, set, element);
	writer.close(opened);
}

/** A range of single values is two elements: where it starts, and what comes after it. */
function writeRange(writer: BatchWriter, set: NftSet, element: NftElement, remove: boolean): void {
	const { first, last } = byteRange(set.key[0] ?? "slot", element.key[0] ?? "");
	const opened = writer.open(nft.NFTA_LIST_ELEM);
	writeKey(writer, first);
	if (!remove) writeData(writer, set, element);
	writer.close(opened);
	const after = successor(last);
	if (!after) return;
	const end = writer.open(nft.NFTA_LIST_ELEM);
	writer.u32(nft.NFTA_SET_ELEM_FLAGS, nft.NFT_SET_ELEM_INTERVAL_END);
	writeKey(writer, after);
	writer.close(end);
}

function writeKey(writer: BatchWriter, bytes: Buffer): void {
	const key = writer.open(nft.NFTA_SET_ELEM_KEY);
	writer.bytes(nft.NFTA_DATA_VALUE, bytes);
	writer.close(key);
}

function writeData(writer: BatchWriter, set: NftSet, element: NftElement): void {
	const { data } = element;
	if (data === undefined) return;
	const opened = writer.open(nft.NFTA_SET_ELEM_DATA);
	if ("type" in data) writeVerdict(writer, data);
	else if (Array.isArray(set.data)) {
		const at = writer.value(nft.NFTA_DATA_VALUE, keyLength(set.data));
		writeValues(writer.memory(), at, set.data, data);
	} else throw new Error(`elements of ${set.name} have no such data`);
	writer.close(opened);
}

export function writeVerdict(writer: BatchWriter, verdict: NftVerdict): void {
	const opened = writer.open(nft.NFTA_DATA_VERDICT);
	writer.u32(nft.NFTA_VERDICT_CODE, verdictCodes[verdict.type]);
	if ("chain" in verdict) writer.name(nft.NFTA_VERDICT_CHAIN, verdict.chain);
	writer.close(opened);
}

const verdictCodes: Readonly<Record<NftVerdict["type"], number>> = {
	drop: nft.NF_DROP,
	accept: nft.NF_ACCEPT,
	jump: nft.NFT_JUMP,
	goto: nft.NFT_GOTO,
	return: nft.NFT_RETURN,
};
