// The Internet checksum (RFC 1071) as sums that can be taken apart: a message, and the pseudo header before it.

/** Sum of the 16-bit words of `bytes` from `start` to `end`, not yet folded. An odd last byte counts as a high one. */
export function sumOfWords(bytes: Uint8Array, start: number, end: number): number {
	let sum = 0;
	for (let at = start; at < end; at += 2) {
		sum += ((bytes[at] ?? 0) << 8) | (at + 1 < end ? (bytes[at + 1] ?? 0) : 0);
	}
	return sum;
}

/** Of the pseudo header of IPv4 or IPv6: both addresses, the length and the protocol. */
export function pseudoHeaderSum(
	source: Uint8Array,
	destination: Uint8Array,
	lengthBytes: number,
	protocol: number,
): number {
	return sumOfWords(source, 0, source.length) + sumOfWords(destination, 0, destination.length) + lengthBytes + protocol;
}

/** The checksum of a sum: folded to 16 bits and inverted. 0 for a message whose own checksum is right. */
export function checksumOfSum(sum: number): number {
	let folded = sum;
	while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
	return ~folded & 0xffff;
}
