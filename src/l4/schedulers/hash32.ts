// A 32-bit hash of a text, the same on every machine and in every release: Maglev tables and names of chains depend on it. FNV-1a
// with the last mixing of MurmurHash3, both in the public domain.

/** Of texts that are ASCII; `seed` makes independent hashes of one text. */
export function hash32(text: string, seed: number): number {
	let hash = (0x811c9dc5 ^ seed) >>> 0;
	for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
	hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
	return (hash ^ (hash >>> 16)) >>> 0;
}
