// Ranges of addresses as sets of the kernel want them: the host bits zero, none inside another. In: `ADDRESS/LENGTH` texts, or
// addresses. Out: the ones that remain.

interface AddressRange {
	readonly text: string;
	readonly bits: bigint;
	readonly length: number;
	readonly width: number;
}

/** Of one family; what cannot be read is left out. In the order of their addresses. */
export function disjointRanges(texts: readonly string[]): readonly string[] {
	const ranges = texts
		.map(readRange)
		.filter((range) => range !== undefined)
		.sort((a, b) => (a.bits === b.bits ? a.length - b.length : a.bits < b.bits ? -1 : 1));
	const kept: AddressRange[] = [];
	for (const range of ranges) {
		const last = kept.at(-1);
		if (last === undefined || !contains(last, range)) kept.push(range);
	}
	return kept.map(({ text }) => text);
}

/** One spelling for each address (RFC 5952): two spellings of one key would be one element to the kernel. */
export function canonicalAddress(text: string): string {
	if (!text.includes(":")) return text;
	const bits = ipv6Bits(text);
	return bits === undefined ? text : ipv6Text(bits);
}

function contains(outer: AddressRange, inner: AddressRange): boolean {
	const shift = BigInt(outer.width - outer.length);
	return outer.length <= inner.length && outer.bits >> shift === inner.bits >> shift;
}

function readRange(text: string): AddressRange | undefined {
	const [address = "", lengthText] = text.split("/");
	const width = address.includes(":") ? 128 : 32;
	const length = lengthText === undefined ? width : Number(lengthText);
	const whole = width === 32 ? ipv4Bits(address) : ipv6Bits(address);
	if (whole === undefined || !Number.isInteger(length) || length < 0 || length > width) return undefined;
	const shift = BigInt(width - length);
	const bits = (whole >> shift) << shift;
	const network = width === 32 ? ipv4Text(bits) : ipv6Text(bits);
	return { text: length === width ? network : `${network}/${length}`, bits, length, width };
}

function ipv4Bits(text: string): bigint | undefined {
	const parts = text.split(".").map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
	if (parts.length !== 4 || parts.some((part) => part > 255)) return undefined;
	return parts.reduce((bits, part) => (bits << 8n) | BigInt(part), 0n);
}

function ipv6Bits(text: string): bigint | undefined {
	const dotted = text.match(/^(.*:)(\d+\.\d+\.\d+\.\d+)$/);
	if (dotted) {
		const low = ipv4Bits(dotted[2] ?? "");
		return low === undefined
			? undefined
			: ipv6Bits(`${dotted[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`);
	}
	const halves = text.split("::");
	if (halves.length > 2) return undefined;
	const [head = [], tail = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
	const missing = 8 - head.length - tail.length;
	if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
	const groups = [...head, ...new Array<string>(missing).fill("0"), ...tail];
	if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
	return groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}

function ipv4Text(bits: bigint): string {
	return [24n, 16n, 8n, 0n].map((shift) => String((bits >> shift) & 0xffn)).join(".");
}

function ipv6Text(bits: bigint): string {
	const text = Array.from({ length: 8 }, (_, index) =>
		((bits >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
	).join(":");
	// The longest row of zeros is left out; of equal ones the first.
	const zeros = [...text.matchAll(/(?:^|(?<=:))0(?::0)+(?=:|$)/g)].reduce(
		(longest, { 0: found, index }) => (found.length > longest.found.length ? { found, index } : longest),
		{ found: "", index: 0 },
	);
	if (zeros.found === "") return text;
	const head = text.slice(0, zeros.index).replace(/:$/, "");
	const tail = text.slice(zeros.index + zeros.found.length).replace(/^:/, "");
	return `${head}::${tail}`;
}
