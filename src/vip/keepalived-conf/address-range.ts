// Ranges of addresses in virtual_server_group: `192.168.200.1-10`, `10.0.0.250-10.0.1.10`, `10.0.0.8/29`, and IPv6 alike.

import { addressWithPrefix, familyOf } from "./conf-values.ts";

/** First and last address, or what is wrong. */
export function addressRange(text: string): { readonly first: string; readonly last: string } | string {
	const [first = "", end] = text.split("-");
	if (text.includes("/")) return prefixRange(text);
	const family = familyOf(first);
	if (family === undefined) return `${JSON.stringify(first)} is no address`;
	if (end === undefined) return { first, last: first };
	const last = familyOf(end) === family ? end : lastPart(first, end, family);
	if (last === undefined || familyOf(last) !== family) return `${JSON.stringify(end)} is no end of a range`;
	return numberOfAddress(last) > numberOfAddress(first)
		? { first, last }
		: "the end of the range is not above its start";
}

function lastPart(first: string, end: string, family: "ipv4" | "ipv6"): string | undefined {
	if (family === "ipv4") return /^\d{1,3}$/.test(end) ? first.replace(/\d+$/, end) : undefined;
	return /^[0-9a-fA-F]{1,4}$/.test(end) ? first.replace(/[0-9a-fA-F]*$/, end) : undefined;
}

function prefixRange(text: string): { readonly first: string; readonly last: string } | string {
	const parsed = addressWithPrefix(text);
	if (!parsed) return `${JSON.stringify(text)} is no range`;
	const { address, family, prefixLength } = parsed;
	const hosts = 1n << BigInt((family === "ipv4" ? 32 : 128) - prefixLength);
	const start = numberOfAddress(address);
	if (start % hosts !== 0n) return `${address} is not the first address of /${prefixLength}`;
	return { first: address, last: textOfAddress(start + hosts - 1n, family) };
}

export function numberOfAddress(address: string): bigint {
	if (familyOf(address) === "ipv4") return address.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n);
	const [head = "", tail] = address.split("::");
	const groups = (part: string): bigint[] =>
		part === ""
			? []
			: part.split(":").flatMap((group) => {
					if (!group.includes(".")) return [BigInt(`0x${group}`)];
					const number = numberOfAddress(group);
					return [number >> 16n, number & 0xffffn];
				});
	const left = groups(head);
	const right = tail === undefined ? [] : groups(tail);
	const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => 0n);
	return [...left, ...zeros, ...right].reduce((sum, group) => sum * 65536n + group, 0n);
}

export function textOfAddress(number: bigint, family: "ipv4" | "ipv6"): string {
	if (family === "ipv4") return [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 255n).join(".");
	return Array.from({ length: 8 }, (_, index) => ((number >> BigInt(112 - 16 * index)) & 0xffffn).toString(16)).join(
		":",
	);
}
