// Which interface of this machine is on the network of an address.

import { networkInterfaces } from "node:os";
import { ipAddressBytes } from "../../vip/vrrp/ip-address.ts";

/** Undefined when no interface has an address in the same network; the longest prefix counts. */
export function interfaceFor(address: string): string | undefined {
	const wanted = ipAddressBytes(address);
	if (!wanted) return undefined;
	let best: { readonly name: string; readonly length: number } | undefined;
	for (const [name, own] of Object.entries(networkInterfaces()))
		for (const { cidr } of own ?? []) {
			const [text = "", prefix = ""] = (cidr ?? "").split("/");
			const network = ipAddressBytes(text);
			const length = Number(prefix);
			if (!network || network.length !== wanted.length || !samePrefix(network, wanted, length)) continue;
			// An address of its own, as a virtual one, says nothing about the network.
			if (length === network.length * 8 || length <= (best?.length ?? 0)) continue;
			best = { name, length };
		}
	return best?.name;
}

function samePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
	for (let bit = 0; bit < bits; bit += 8) {
		const mask = bits - bit >= 8 ? 255 : (255 << (8 - (bits - bit))) & 255;
		if (((a[bit >> 3] ?? 0) & mask) !== ((b[bit >> 3] ?? 0) & mask)) return false;
	}
	return true;
}
