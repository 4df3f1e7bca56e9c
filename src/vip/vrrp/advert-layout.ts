// Where things are in an advert, and how long it may be.

export const headerBytes = 8;
/** The last bytes of version 2, also without authentication. */
export const passwordBytes = 8;

/** `start` is where the advert begins: behind an authentication header, if there is one. */
export function intervalOf(payload: Uint8Array, start: number, version: 2 | 3): number {
	const low = payload[start + 5] ?? 0;
	return version === 2 ? low * 1000 : (((payload[start + 4] ?? 0) & 15) * 256 + low) * 10;
}

/** A short Ethernet frame is filled up to 60 bytes, less 4 for each VLAN tag that was taken off. */
export function isPadded(length: number, expected: number, family: "ipv4" | "ipv6"): boolean {
	const payloadOfShortFrame = 60 - 14 - (family === "ipv4" ? 20 : 40);
	return length > expected && length <= payloadOfShortFrame && (payloadOfShortFrame - length) % 4 === 0;
}
