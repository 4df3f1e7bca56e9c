// Writing and reading DER (ITU-T X.690), as far as X.509 certificates and PKCS #10 requests need it.

export const derTags = {
	boolean: 0x01,
	integer: 0x02,
	bitString: 0x03,
	octetString: 0x04,
	objectIdentifier: 0x06,
	utf8String: 0x0c,
	utcTime: 0x17,
	generalizedTime: 0x18,
	sequence: 0x30,
	set: 0x31,
} as const;

export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
	const content = joinBytes(contents);
	return joinBytes([Uint8Array.of(tag, ...derLength(content.length)), content]);
}

export const derSequence = (...items: readonly Uint8Array[]): Uint8Array => der(derTags.sequence, ...items);

/** `[n]` constructed, as EXPLICIT tags are. */
export const derContext = (n: number, ...items: readonly Uint8Array[]): Uint8Array => der(0xa0 | n, ...items);

export function derInteger(value: Uint8Array | number): Uint8Array {
	const bytes = typeof value === "number" ? Uint8Array.of(value) : value;
	let start = 0;
	while (start < bytes.length - 1 && bytes[start] === 0) start++;
	const shortest = bytes.subarray(start);
	return der(derTags.integer, (shortest[0] ?? 0) > 127 ? joinBytes([Uint8Array.of(0), shortest]) : shortest);
}

export function derObjectIdentifier(dotted: string): Uint8Array {
	const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
	return der(derTags.objectIdentifier, Uint8Array.from([first * 40 + second, ...rest.flatMap(base128)]));
}

export const derBitString = (bytes: Uint8Array, unusedBits = 0): Uint8Array =>
	der(derTags.bitString, Uint8Array.of(unusedBits), bytes);

export const derOctetString = (bytes: Uint8Array): Uint8Array => der(derTags.octetString, bytes);

export const derUtf8 = (text: string): Uint8Array => der(derTags.utf8String, new TextEncoder().encode(text));

export const derTrue = (): Uint8Array => der(derTags.boolean, Uint8Array.of(0xff));

/** UTCTime until 2049, GeneralizedTime after (RFC 5280 4.1.2.5). */
export function derTime(ms: number): Uint8Array {
	const digits = new Date(ms)
		.toISOString()
		.replace(/\.\d+Z$/, "Z")
		.replace(/[-:T]/g, "");
	const utc = Number(digits.slice(0, 4)) < 2050;
	return der(utc ? derTags.utcTime : derTags.generalizedTime, new TextEncoder().encode(utc ? digits.slice(2) : digits));
}

export interface DerItem {
	readonly tag: number;
	/** The item with its tag and length. */
	readonly raw: Uint8Array;
	readonly content: Uint8Array;
}

/** Reads the items that stand side by side in `bytes`. Throws on lengths that do not fit: the caller's input was no DER. */
export function readDer(bytes: Uint8Array): readonly DerItem[] {
	const items: DerItem[] = [];
	let at = 0;
	while (at < bytes.length) {
		const tag = bytes[at] ?? 0;
		let length = bytes[at + 1] ?? 0x80;
		let start = at + 2;
		if (length > 127) {
			const count = length & 127;
			if (count === 0 || count > 4) throw new RangeError("DER: unsupported length");
			length = 0;
			for (let i = 0; i < count; i++) length = length * 256 + (bytes[start + i] ?? 0);
			start += count;
		}
		if (start + length > bytes.length) throw new RangeError("DER: an item is longer than what holds it");
		items.push({ tag, raw: bytes.subarray(at, start + length), content: bytes.subarray(start, start + length) });
		at = start + length;
	}
	return items;
}

export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
	const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
	let at = 0;
	for (const piece of pieces) {
		joined.set(piece, at);
		at += piece.length;
	}
	return joined;
}

function derLength(length: number): readonly number[] {
	if (length < 128) return [length];
	const bytes: number[] = [];
	for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
	return [0x80 | bytes.length, ...bytes];
}

function base128(value: number): readonly number[] {
	const digits = [value % 128];
	for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift((rest % 128) | 0x80);
	return digits;
}
