// Parts of keys that are ranges: `10.0.0.0/8`, `10.0.0.1-10.0.0.9`, `1000-2000`. In: a type and a value. Out: the first and the
// last value as bytes; and back, as short as it goes.

import type { NftType, NftValue } from "../../../l4/nftables/ruleset.ts";
import { addressText, rangeOf } from "../ip-text.ts";
import { readValue, widthOf, writeValue } from "./value-bytes.ts";

export interface ByteRange {
	readonly first: Buffer;
	readonly last: Buffer;
}

/** A value that is no range is one of a single value. */
export function byteRange(type: NftType, value: NftValue): ByteRange {
	if (typeof value === "string" && type !== "ifname") {
		if (isAddress(type) && value.includes("/")) return prefixRange(type, value);
		const dash = value.indexOf("-");
		if (dash > 0) return { first: single(type, value.slice(0, dash)), last: single(type, value.slice(dash + 1)) };
	}
	const bytes = single(type, value);
	return { first: bytes, last: bytes };
}

export function rangeText(type: NftType, first: Buffer, last: Buffer): NftValue {
	if (first.equals(last)) return readValue(first, 0, type);
	const bits = isAddress(type) ? prefixBits(first, last) : undefined;
	if (bits !== undefined) return `${addressText(first)}/${bits}`;
	return `${readValue(first, 0, type)}-${readValue(last, 0, type)}`;
}

/** The next value in network order; undefined after the highest. */
export function successor(bytes: Buffer): Buffer | undefined {
	const next = Buffer.from(bytes);
	for (let index = next.length - 1; index >= 0; index--) {
		const byte = ((next[index] ?? 0) + 1) & 0xff;
		next[index] = byte;
		if (byte !== 0) return next;
	}
	return undefined;
}

export function predecessor(bytes: Buffer): Buffer {
	const previous = Buffer.from(bytes);
	for (let index = previous.length - 1; index >= 0; index--) {
		const byte = previous[index] ?? 0;
		previous[index] = (byte - 1) & 0xff;
		if (byte !== 0) break;
	}
	return previous;
}

const isAddress = (type: NftType): boolean => type === "ipv4_addr" || type === "ipv6_addr";

function single(type: NftType, value: NftValue): Buffer {
	const bytes = Buffer.alloc(widthOf(type));
	writeValue(bytes, 0, type, value);
	return bytes;
}

function prefixRange(type: NftType, text: string): ByteRange {
	const range = rangeOf(text);
	if (range?.bytes.length !== widthOf(type)) throw new Error(`${text} is no range of ${type}`);
	const first = Buffer.from(range.bytes);
	const last = Buffer.from(range.bytes);
	for (let bit = range.bits; bit < first.length * 8; bit++) {
		const mask = 0x80 >> (bit & 7);
		first[bit >> 3] = (first[bit >> 3] ?? 0) & ~mask;
		last[bit >> 3] = (last[bit >> 3] ?? 0) | mask;
	}
	return { first, last };
}

function prefixBits(first: Buffer, last: Buffer): number | undefined {
	const bits = first.length * 8;
	let equal = 0;
	const bitOf = (bytes: Buffer, bit: number) => ((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1;
	while (equal < bits && bitOf(first, equal) === bitOf(last, equal)) equal++;
	for (let bit = equal; bit < bits; bit++) if (bitOf(first, bit) !== 0 || bitOf(last, bit) !== 1) return undefined;
	return equal;
}
