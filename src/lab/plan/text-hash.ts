// Short hashes in the alphabet of Kubernetes' names (no vowels, nothing that looks alike), for pod templates and pod names.

const alphabet = "bcdfghjklmnpqrstvwxz2456789";

/** FNV-1a with 64 bits, as `length` characters (at most 10). */
export function hashName(text: string, length: number): string {
	let hash = 0xcbf29ce484222325n;
	for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
	hash ^= hash >> 29n;
	let name = "";
	for (let index = 0; index < length; index++) {
		name += alphabet[Number(hash % BigInt(alphabet.length))];
		hash /= BigInt(alphabet.length);
	}
	return name;
}

/** JSON with sorted keys: equal values give equal texts. */
export function stableText(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(stableText).join(",")}]`;
	if (typeof value === "object" && value !== null)
		return `{${Object.entries(value)
			.filter(([, item]) => item !== undefined)
			.sort(([a], [b]) => (a < b ? -1 : 1))
			.map(([key, item]) => `${JSON.stringify(key)}:${stableText(item)}`)
			.join(",")}}`;
	return JSON.stringify(value) ?? "null";
}
