// The bytes of UDP_CHECK's payload and require_reply: `Ab12f 3 456` is AB 12 0F 03 45 06, an x stands for any four bits.

export interface HexPattern {
	readonly bytes: Uint8Array;
	/** Which bits are compared. */
	readonly mask: Uint8Array;
}

/** Undefined for what is no such text. */
export function hexPattern(text: string): HexPattern | undefined {
	const words = text.trim().split(/\s+/);
	if (!words.every((word) => /^[0-9a-fA-FxX]+$/.test(word))) return undefined;
	const pairs = words.flatMap((word) => {
		const odd = word.length % 2 === 1;
		// The last digit of an odd word is a byte of its own.
		const even = odd ? `${word.slice(0, -1)}0${word.slice(-1)}` : word;
		return even.match(/../g) ?? [];
	});
	const digit = (character: string): number => (/x/i.test(character) ? 0 : Number.parseInt(character, 16));
	const compared = (character: string): number => (/x/i.test(character) ? 0 : 0xf);
	const both = (read: (character: string) => number): Uint8Array =>
		Uint8Array.from(pairs, (pair) => (read(pair[0] ?? "0") << 4) | read(pair[1] ?? "0"));
	return { bytes: both(digit), mask: both(compared) };
}

/** As far as both go. */
export function fitsPattern(bytes: Uint8Array, pattern: HexPattern): boolean {
	return bytes
		.subarray(0, pattern.bytes.length)
		.every((byte, at) => ((byte ^ (pattern.bytes[at] ?? 0)) & (pattern.mask[at] ?? 0)) === 0);
}
