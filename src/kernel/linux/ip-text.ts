// Addresses between text and bytes. In: text, or 4 or 16 bytes in network order. Out: the other; IPv6 as RFC 5952 writes it.

import { ipAddressBytes } from "../../vip/vrrp/ip-address.ts";
import type { AddressFamily } from "../host-network.ts";
import { AF_INET, AF_INET6 } from "./abi/socket.ts";

/** Throws on text that is no address: configuration is checked before. */
export function addressBytes(text: string): Uint8Array {
	const bytes = ipAddressBytes(text);
	if (!bytes) throw new Error(`${text} is no IP address`);
	return bytes;
}

export function addressText(bytes: Uint8Array): string {
	if (bytes.length === 4) return bytes.join(".");
	const groups = Array.from({ length: 8 }, (_, index) => ((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0));
	const gap = longestZeros(groups);
	const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
	if (gap.length < 2) return text(groups);
	return `${text(groups.slice(0, gap.start))}::${text(groups.slice(gap.start + gap.length))}`;
}

export const familyOf = (text: string): AddressFamily => (text.includes(":") ? "ipv6" : "ipv4");
export const familyNumber = (family: AddressFamily): number => (family === "ipv4" ? AF_INET : AF_INET6);

/** `default`, an address or a range; undefined when it is none. */
export function rangeOf(
	text: string,
	family?: AddressFamily,
): { readonly bytes: Uint8Array; readonly bits: number } | undefined {
	if (text === "default") return { bytes: new Uint8Array(family === "ipv6" ? 16 : 4), bits: 0 };
	const [address = "", length] = text.split("/");
	const bytes = ipAddressBytes(address);
	if (!bytes) return undefined;
	const bits = length === undefined ? bytes.length * 8 : Number(length);
	return Number.isInteger(bits) && bits >= 0 && bits <= bytes.length * 8 ? { bytes, bits } : undefined;
}

function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
	let best = { start: 0, length: 0 };
	let length = 0;
	for (const [index, group] of groups.entries()) {
		length = group === 0 ? length + 1 : 0;
		if (length > best.length) best = { start: index - length + 1, length };
	}
	return best;
}
