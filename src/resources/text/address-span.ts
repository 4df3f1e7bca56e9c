// Addresses from one to another: `10.0.0.5-10.0.0.9`, `10.0.0.0/28`, `10.0.0.7` in; the first and the last as numbers out.

import { ipAddressBytes } from "../../vip/vrrp/ip-address.ts";

export interface AddressSpan {
	readonly family: "ipv4" | "ipv6";
	readonly first: bigint;
	readonly last: bigint;
}

/** Undefined for what is no such text, or whose end is before its beginning. */
export function parseAddressSpan(text: string): AddressSpan | undefined {
	const [from = "", to, ...more] = text.split("-").map((part) => part.trim());
	if (more.length > 0) return undefined;
	if (to === undefined && from.includes("/")) return spanOfRange(from);
	const first = numberOf(from);
	const last = to === undefined ? first : numberOf(to);
	if (!first || !last || first.family !== last.family || first.value > last.value) return undefined;
	return { family: first.family, first: first.value, last: last.value };
}

/** RFC 5952's text. */
export function addressOf(family: AddressSpan["family"], value: bigint): string {
	if (family === "ipv4") return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".");
	const groups = Array.from({ length: 8 }, (_, at) => Number((value >> BigInt(112 - 16 * at)) & 0xffffn));
	return compress(groups.map((group) => group.toString(16)));
}

export interface AddressNumber {
	readonly family: AddressSpan["family"];
	readonly value: bigint;
}

/** Undefined for text that is no address. */
export function numberOf(text: string): AddressNumber | undefined {
	const bytes = ipAddressBytes(text);
	if (!bytes) return undefined;
	let value = 0n;
	for (const byte of bytes) value = (value << 8n) | BigInt(byte);
	return { family: bytes.length === 4 ? "ipv4" : "ipv6", value };
}

export function spanHolds({ family, first, last }: AddressSpan, address: AddressNumber): boolean {
	return family === address.family && first <= address.value && address.value <= last;
}

function spanOfRange(text: string): AddressSpan | undefined {
	const slash = text.indexOf("/");
	const base = numberOf(text.slice(0, slash));
	const length = text.slice(slash + 1);
	const bits = base?.family === "ipv4" ? 32 : 128;
	if (!base || !/^\d{1,3}$/.test(length) || Number(length) > bits) return undefined;
	const size = 1n << BigInt(bits - Number(length));
	const first = base.value - (base.value % size);
	return { family: base.family, first, last: first + size - 1n };
}

/** The longest run of two or more zeros, the first of equal ones. */
function compress(groups: readonly string[]): string {
	let best = { at: 0, length: 1 };
	for (let at = 0; at < groups.length; at++) {
		let length = 0;
		while (groups[at + length] === "0") length++;
		if (length > best.length) best = { at, length };
	}
	if (best.length < 2) return groups.join(":");
	return `${groups.slice(0, best.at).join(":")}::${groups.slice(best.at + best.length).join(":")}`;
}
