// Maglev's consistent hashing (Eisenbud and others, "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section
// 3.4): a table of which backend owns each slot. Any node that knows the same backends has the same table, and a backend that comes
// or goes moves little besides its own share. In: backends. Out: the table.

import { hash32 } from "./hash32.ts";

/** Primes, each about four times the one before: backends may come and go for long before the size changes, which moves nearly all. */
export const maglevSizes = [1021, 4093, 16381, 65521] as const;

/** A hundred slots or more for each backend, up to 655 of them; more share 65,521. */
export function maglevSize(count: number): number {
	return maglevSizes.find((size) => size >= 100 * count) ?? 65521;
}

export interface MaglevBackend {
	readonly address: string;
	readonly port: number;
	/** Share among the others; 0 owns nothing. */
	readonly weight: number;
}

/** For each slot the index of its backend in the list given; the order of that list decides nothing. Empty when no backend has weight. */
export function maglevTable(backends: readonly MaglevBackend[], size: number): Uint16Array {
	const members = backends
		.map((backend, index) => ({ index, weight: backend.weight, identity: `${backend.address}:${backend.port}` }))
		.filter(({ weight }) => weight > 0)
		.sort((a, b) => (a.identity < b.identity ? -1 : 1))
		.map((member) => ({
			...member,
			credit: 0,
			slot: hash32(member.identity, 0x6b6d6f66) % size,
			skip: (hash32(member.identity, 0x6b6d736b) % (size - 1)) + 1,
		}));
	const heaviest = members.reduce((weight, member) => Math.max(weight, member.weight), 0);
	const table = new Uint16Array(members.length === 0 ? 0 : size);
	const taken = new Uint8Array(table.length);
	let left = table.length;
	while (left > 0) {
		for (const member of members) {
			// One turn in which the heaviest takes one slot: others wait until their weights add up to as much.
			member.credit += member.weight;
			if (member.credit < heaviest) continue;
			member.credit -= heaviest;
			while (taken[member.slot] === 1) member.slot = (member.slot + member.skip) % size;
			taken[member.slot] = 1;
			table[member.slot] = member.index;
			left -= 1;
			if (left === 0) break;
		}
	}
	return table;
}
