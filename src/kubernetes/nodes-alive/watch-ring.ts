// Who watches whom. In: the names of all nodes. Out: for each node the few that listen to its heartbeats, the same on every
// machine without asking anybody. Names are ordered by a hash, so that neighbours in a rack are seldom neighbours here.

import { hash32 } from "../../l4/schedulers/hash32.ts";

/** Nodes that listen to one node. */
export const watcherCount = 3;

/** The next ones in the ring: those that `name` sends to. Fewer in a small cluster; none for a name that is not a member. */
export function watchersOf(name: string, members: readonly string[]): readonly string[] {
	return neighbours(name, members, 1);
}

/** The ones before it in the ring: those that `name` listens to. */
export function watchedBy(name: string, members: readonly string[]): readonly string[] {
	return neighbours(name, members, -1);
}

function neighbours(name: string, members: readonly string[], direction: 1 | -1): readonly string[] {
	const ring = ringOf(members);
	const at = ring.indexOf(name);
	if (at < 0) return [];
	const count = Math.min(watcherCount, ring.length - 1);
	return Array.from({ length: count }, (_, index) => {
		const found = ring[(at + direction * (index + 1) + ring.length) % ring.length];
		if (found === undefined) throw new Error("a ring has no gaps");
		return found;
	});
}

function ringOf(members: readonly string[]): readonly string[] {
	return [...new Set(members)]
		.map((name) => [hash32(name, 0), name] as const)
		.sort(([a, one], [b, other]) => a - b || (one < other ? -1 : 1))
		.map(([, name]) => name);
}
