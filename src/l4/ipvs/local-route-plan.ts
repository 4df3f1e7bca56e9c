// Addresses that must be local so that IPVS sees their packets, without giving them to an interface: routes in a table of our own, which
// only packets of TCP, UDP, SCTP and ICMP are looked up in. An ARP request is none of these, so nobody answers it; an address on a
// dummy device is answered for on every interface unless arp_ignore is set.

import { familyOf } from "../nftables/family-words.ts";
import type { NodeFacts } from "../node-facts.ts";

export interface LocalRoute {
	readonly address: string;
	/** Whom the machine's own connections there come from. */
	readonly source?: string;
}

export class LocalRoutePlan {
	readonly #users = new Map<string, number>();
	/** By virtual server: it still has connections. */
	readonly #kept = new Map<string, string>();
	readonly #keepers = new Map<string, Set<string>>();
	readonly #touched = new Set<string>();
	readonly #told = new Map<string, LocalRoute>();

	touch(address: string): void {
		this.#touched.add(address);
	}

	use(address: string): void {
		this.#users.set(address, (this.#users.get(address) ?? 0) + 1);
		this.#touched.add(address);
	}

	leave(address: string): void {
		const users = (this.#users.get(address) ?? 0) - 1;
		if (users > 0) this.#users.set(address, users);
		else this.#users.delete(address);
		this.#touched.add(address);
	}

	keep(server: string, address: string): void {
		if (this.#kept.get(server) === address) return;
		this.letGo(server);
		this.#kept.set(server, address);
		const keepers = this.#keepers.get(address) ?? new Set();
		this.#keepers.set(address, keepers.add(server));
		this.#touched.add(address);
	}

	letGo(server: string): void {
		const address = this.#kept.get(server);
		if (address === undefined) return;
		this.#kept.delete(server);
		const keepers = this.#keepers.get(address);
		keepers?.delete(server);
		if (keepers?.size === 0) this.#keepers.delete(address);
		this.#touched.add(address);
	}

	/** What the kernel has of ours. */
	found(routes: readonly LocalRoute[]): void {
		for (const address of [...this.#told.keys(), ...this.#users.keys(), ...this.#keepers.keys()]) this.touch(address);
		this.#told.clear();
		for (const route of routes) {
			this.#told.set(route.address, route);
			this.touch(route.address);
		}
	}

	take(node: NodeFacts): { readonly remove: readonly LocalRoute[]; readonly add: readonly LocalRoute[] } {
		const remove: LocalRoute[] = [];
		const add: LocalRoute[] = [];
		for (const address of this.#touched) {
			const told = this.#told.get(address);
			const isWanted = this.#users.has(address) || this.#keepers.has(address);
			const wanted = isWanted ? routeTo(address, node) : undefined;
			if (told && told.source === wanted?.source && wanted) continue;
			if (told) remove.push(told);
			if (wanted) {
				add.push(wanted);
				this.#told.set(address, wanted);
			} else this.#told.delete(address);
		}
		this.#touched.clear();
		return { remove, add };
	}

	wanted(node: NodeFacts): readonly LocalRoute[] {
		return [...this.#users.keys()].sort().map((address) => routeTo(address, node));
	}
}

function routeTo(address: string, node: NodeFacts): LocalRoute {
	const own = [...(node.nodeAddresses ?? []), ...node.nodePortAddresses];
	const source = own.find((candidate) => familyOf(candidate) === familyOf(address));
	return { address, ...(source !== undefined && { source }) };
}
