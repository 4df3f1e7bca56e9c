// Texts of IP addresses and ranges -> Envoy's CidrRange, with host bits cleared: Envoy compares masked ranges, and refuses
// a listener in which two filter chains match the same one. IPv4 in IPv6 (::ffff:10.1.2.3) is IPv4: that is what connections
// come from.

export interface AddressRange {
	readonly addressPrefix: string;
	readonly prefixLen: number;
}

/** `10.1.2.3/8` gives 10.0.0.0/8; an address alone is a range of one. Undefined for what is no address. */
export function parseAddressRange(text: string): AddressRange | undefined {
	const [address = "", length, ...rest] = text.split("/");
	if (rest.length > 0) return undefined;
	const words = address.includes(":") ? parseIpv6(address) : parseIpv4(address);
	if (!words) return undefined;
	const bitsPerWord = words.length === 4 ? 8 : 16;
	const bits = words.length * bitsPerWord;
	const prefixLen = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : -1;
	if (prefixLen < 0 || prefixLen > bits) return undefined;
	if (isMapped(words) && prefixLen >= 96) return parseAddressRange(`${v4Of(words)}/${prefixLen - 96}`);
	const masked = words.map((word, index) => maskWord(word, bitsPerWord, prefixLen - index * bitsPerWord));
	return { addressPrefix: words.length === 4 ? masked.join(".") : renderIpv6(masked), prefixLen };
}

function maskWord(word: number, bits: number, kept: number): number {
	if (kept >= bits) return word;
	if (kept <= 0) return 0;
	const dropped = bits - kept;
	return (word >>> dropped) << dropped;
}

function parseIpv4(text: string): readonly number[] | undefined {
	const parts = text.split(".");
	if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)) return undefined;
	return parts.map(Number);
}

const isMapped = (words: readonly number[]): boolean =>
	words.length === 8 && words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;

function v4Of(words: readonly number[]): string {
	return words
		.slice(6)
		.flatMap((word) => [word >> 8, word & 255])
		.join(".");
}

function parseIpv6(text: string): readonly number[] | undefined {
	const dotted = /^(.*:)([\d.]+)$/.exec(text);
	if (dotted?.[2]?.includes(".")) {
		const [a = 0, b = 0, c = 0, d = 0] = parseIpv4(dotted[2]) ?? [Number.NaN];
		// No number is no word: the whole is refused below.
		return parseIpv6(
			`${dotted[1]}${((a << 8) | b).toString(16)}:${Number.isNaN(a) ? "" : ((c << 8) | d).toString(16)}`,
		);
	}
	const halves = text.split("::");
	if (halves.length > 2) return undefined;
	const [head, tail] = halves.map((half) => (half === "" ? [] : half.split(":")));
	const missing = 8 - (head?.length ?? 0) - (tail?.length ?? 0);
	if (tail ? missing < 1 : missing !== 0) return undefined;
	const parts = [...(head ?? []), ...Array<string>(tail ? missing : 0).fill("0"), ...(tail ?? [])];
	if (!parts.every((part) => /^[0-9a-fA-F]{1,4}$/.test(part))) return undefined;
	return parts.map((part) => Number.parseInt(part, 16));
}

/** The longest run of zeros as `::`, lower case: RFC 5952. */
function renderIpv6(words: readonly number[]): string {
	const text = words.map((word) => word.toString(16)).join(":");
	const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length);
	const [longest] = runs;
	if (!longest) return text;
	const before = text.slice(0, longest.index);
	const after = text.slice(longest.index + longest[0].length);
	return `${before}::${after.replace(/^:/, "")}`;
}
