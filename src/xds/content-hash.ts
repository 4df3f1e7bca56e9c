// A 64-bit content hash for resource versions: fast, and the same on every machine. It detects change; it is no signature.

/** 16 hexadecimal digits. Two multiply-and-xor lanes, mixed at the end as MurmurHash3 does. */
export function contentHash(bytes: Uint8Array): string {
	let a = 0xdeadbeef ^ bytes.length;
	let b = 0x41c6ce57 ^ bytes.length;
	for (let i = 0; i < bytes.length; i++) {
		const byte = bytes[i] as number;
		a = Math.imul(a ^ byte, 2654435761);
		b = Math.imul(b ^ byte, 1597334677);
	}
	a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
	b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
	return hex(b) + hex(a);
}

function hex(value: number): string {
	return (value >>> 0).toString(16).padStart(8, "0");
}
