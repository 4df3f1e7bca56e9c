// Virtual addresses for services that have none, out of 240.240.0.0/16: a hash of the name, the next free one where two
// meet, oldest first; so every replica of the control plane gives the same ones.

const firstHost = 1;
const hostCount = 65_534;

/** Keys in the order in which they may choose. Throws when the block is used up. */
export function allocateAddresses(keys: Iterable<string>, taken: Iterable<string>): ReadonlyMap<string, string> {
	const used = new Set(taken);
	const allocated = new Map<string, string>();
	for (const key of keys) {
		if (allocated.size >= hostCount)
			throw new Error(`more than ${hostCount} services want an address of 240.240.0.0/16`);
		let host = hashOf(key) % hostCount;
		while (used.has(addressOf(host))) host = (host + 1) % hostCount;
		const address = addressOf(host);
		used.add(address);
		allocated.set(key, address);
	}
	return allocated;
}

function addressOf(host: number): string {
	const value = host + firstHost;
	return `240.240.${value >> 8}.${value & 255}`;
}

/** FNV-1a over UTF-16 units, with a final mix so that similar names do not lie side by side. */
function hashOf(text: string): number {
	let hash = 0x811c9dc5;
	for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
	hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	return (hash ^ (hash >>> 13)) >>> 0;
}
