// Addresses and ranges as texts that differ only when they mean something else, and their order: the one thing that must be the
// same on every node. In: what people and API servers write. Out: RFC 5952 texts; IPv4 in IPv6 is IPv4.

import { parseAddressRange } from "../../envoy/listener/address-range.ts";
import { ipAddressBytes } from "../../vip/vrrp/ip-address.ts";
import type { IpFamily } from "../balancer.ts";

export interface CanonicalAddress {
	readonly text: string;
	readonly family: IpFamily;
	/** Compares as the bytes do, IPv4 first. */
	readonly order: string;
}

/** Undefined for what is no address. Zeros in front of a part are passed over, as Kubernetes does. */
export function canonicalAddress(text: string): CanonicalAddress | undefined {
	return usualIpv4(text) ?? otherAddress(text);
}

/** Nearly all addresses, and there may be 100,000 of them: four numbers as they should be written. */
function usualIpv4(text: string): CanonicalAddress | undefined {
	const parts = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(text);
	if (parts === null) return undefined;
	const [a, b, c, d] = [Number(parts[1]), Number(parts[2]), Number(parts[3]), Number(parts[4])];
	if (a > 255 || b > 255 || c > 255 || d > 255) return undefined;
	return { text, family: "ipv4", order: String.fromCharCode(4, a, b, c, d) };
}

function otherAddress(text: string): CanonicalAddress | undefined {
	const range = text.includes("/") ? undefined : parseAddressRange(text.trim());
	if (range === undefined) return undefined;
	const address = range.addressPrefix;
	const bytes = ipAddressBytes(address);
	if (bytes === undefined) throw new Error(`${address} was parsed and is no address`);
	return {
		text: address,
		family: familyOf(address),
		order: String.fromCharCode(bytes.length, ...bytes),
	};
}

/** `ADDRESS/LENGTH` without host bits; a text without a length is no range. */
export function canonicalRange(text: string): string | undefined {
	const range = text.includes("/") ? parseAddressRange(text.trim()) : undefined;
	return range && `${range.addressPrefix}/${range.prefixLen}`;
}

/** Of an address or a range. */
export function familyOf(address: string): IpFamily {
	return address.includes(":") ? "ipv6" : "ipv4";
}

/** Whether the range holds the address; never across families. */
export function rangeHolds(range: string, address: string): boolean {
	const length = range.slice(range.indexOf("/") + 1);
	return familyOf(range) === familyOf(address) && canonicalRange(`${address}/${length}`) === canonicalRange(range);
}
