// Ranges of addresses as sets of the kernel want them: the host bits zero, none inside another. In: `ADDRESS/LENGTH` texts, or
// addresses. Out: the ones that remain.

import { parseAddressRange } from "../../envoy/listener/address-range.ts";
import { ipAddressBytes } from "../../vip/vrrp/ip-address.ts";
import { canonicalAddress } from "../services/canonical-address.ts";

interface AddressRange {
	readonly text: string;
	/** The bits that all its addresses share, as 0 and 1. */
	readonly shared: string;
}

/** Of one family; what cannot be read is left out. In the order of their addresses. */
export function disjointRanges(texts: readonly string[]): readonly string[] {
	const ranges = texts
		.map(readRange)
		.filter((range) => range !== undefined)
		.sort((a, b) => (a.shared < b.shared ? -1 : a.shared > b.shared ? 1 : 0));
	const kept: AddressRange[] = [];
	for (const range of ranges) {
		const last = kept.at(-1);
		// What lies inside a range follows it in this order.
		if (last === undefined || !range.shared.startsWith(last.shared)) kept.push(range);
	}
	return kept.map(({ text }) => text);
}

/** One spelling for each address: two spellings of one key would be one element to the kernel. */
export function oneSpelling(address: string): string {
	return address.includes(":") ? (canonicalAddress(address)?.text ?? address) : address;
}

function readRange(text: string): AddressRange | undefined {
	const range = parseAddressRange(text);
	const bytes = range && ipAddressBytes(range.addressPrefix);
	if (range === undefined || bytes === undefined) return undefined;
	const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
	return {
		text: range.prefixLen === bits.length ? range.addressPrefix : `${range.addressPrefix}/${range.prefixLen}`,
		shared: bits.slice(0, range.prefixLen),
	};
}
