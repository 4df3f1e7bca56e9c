// Which Service has which addresses. In: pools, Services with what they were given before, addresses that others hold. Out: the
// addresses of each Service, and why it lacks some. What was given stays as long as it may; of two with one address the older has it.

import { type AddressPool, freeAddress, poolAdmits, poolHolds, virtualRouterIdOf } from "./address-pool.ts";
import { type BalancedService, serviceKeyOf } from "./cluster-objects.ts";

export interface AllocationInput {
	readonly pools: readonly AddressPool[];
	readonly services: readonly BalancedService[];
	/** Addresses of VirtualIPs, with their names: whoever asks for one has it, and others beside it. */
	readonly held: ReadonlyMap<string, string>;
	/** Addresses of nodes, which nobody gets. */
	readonly reserved: ReadonlySet<string>;
	/** VRIDs of VirtualIPs. */
	readonly otherIds: ReadonlySet<number>;
}

export interface Allocation {
	readonly service: BalancedService;
	/** What it has from now on. */
	readonly addresses: readonly string[];
	/** Why it has not all that it wants. */
	readonly because?: string;
}

/** Of one address to be held for a Service. */
export interface GivenAddress {
	readonly address: string;
	readonly service: BalancedService;
	/** Undefined: a VirtualIP holds it. */
	readonly pool?: AddressPool;
}

/** What Services have already and may keep: the same on every node. */
export function givenAddresses(input: AllocationInput): readonly GivenAddress[] {
	const taken = new Set<string>();
	return byAge(input.services).flatMap((service) => {
		const families = new Set<string>();
		return service.allocated.flatMap((address): readonly GivenAddress[] => {
			const place = service.wants ? placeOf(input, service, address) : undefined;
			const family = familyOf(address);
			if (!place || taken.has(address) || families.has(family) || !service.families.includes(family)) return [];
			families.add(family);
			if (place.pool) taken.add(address);
			return [{ address, service, ...place }];
		});
	});
}

/** All Services that have addresses, had some, or want some. */
export function allocateAddresses(input: AllocationInput): readonly Allocation[] {
	const given = givenAddresses(input);
	const ledger = new Ledger(input);
	const kept = new Map<string, string[]>();
	for (const { address, service, pool } of given) {
		kept.set(serviceKeyOf(service), [...(kept.get(serviceKeyOf(service)) ?? []), address]);
		if (pool) ledger.take(pool, address);
	}
	return byAge(input.services).map((service) => {
		const addresses = kept.get(serviceKeyOf(service)) ?? [];
		return service.wants ? complete(input, service, addresses, ledger) : { service, addresses: [] };
	});
}

function complete(
	input: AllocationInput,
	service: BalancedService,
	kept: readonly string[],
	ledger: Ledger,
): Allocation {
	const addresses: string[] = [];
	const reasons: string[] = [];
	for (const family of service.families) {
		const before = kept.find((address) => familyOf(address) === family);
		const found = before === undefined ? ledger.find(service, family) : { address: before };
		if ("address" in found) addresses.push(found.address);
		else reasons.push(found.because);
	}
	const contented = addresses.length > 0 && !service.needsBoth && service.asked.length <= addresses.length;
	if (reasons.length === 0 || contented) return { service, addresses };
	const outside = service.asked.filter((address) => !placeOf(input, service, address));
	const because =
		outside.length > 0 ? `no pool that it may use, and no VirtualIP, has ${outside.join(", ")}` : reasons[0];
	return { service, addresses, because: because ?? "" };
}

/** Whether a Service may have an address, and of which pool; undefined: it may not. */
function placeOf(
	{ pools, held, reserved }: AllocationInput,
	service: BalancedService,
	address: string,
): { readonly pool?: AddressPool } | undefined {
	const asked = service.asked.length === 0 || service.asked.includes(address);
	if (!asked || reserved.has(address)) return undefined;
	if (held.has(address)) return service.asked.includes(address) ? {} : undefined;
	const pool = pools.find((one) => mayUse(one, service) && poolHolds(one, address));
	return pool && { pool };
}

/** Also pools that assign nothing by themselves, for a Service that names them or one of their addresses. */
function mayUse(pool: AddressPool, service: BalancedService): boolean {
	if (service.pool !== undefined && service.pool !== pool.name) return false;
	const named = service.pool !== undefined || service.asked.length > 0;
	return poolAdmits(pool, service) && (named || pool.spec.autoAssign !== false);
}

/** What is taken while Services are gone through. */
class Ledger {
	readonly #input: AllocationInput;
	readonly #taken = new Set<string>();
	readonly #counts = new Map<string, number>();

	constructor(input: AllocationInput) {
		this.#input = input;
	}

	take(pool: AddressPool, address: string): void {
		this.#taken.add(address);
		const key = routerKey(pool, familyOf(address), virtualRouterIdOf(pool, address));
		this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
	}

	find(service: BalancedService, family: "ipv4" | "ipv6"): { readonly address: string } | { readonly because: string } {
		const asked = service.asked.filter((address) => familyOf(address) === family);
		if (service.asked.length > 0) return this.#findAsked(service, family, asked);
		const pools = this.#input.pools.filter((pool) => mayUse(pool, service));
		for (const pool of pools) {
			const address = freeAddress(
				pool,
				family,
				(one) => this.#isTaken(one),
				(id) => (this.#counts.get(routerKey(pool, family, id)) ?? 0) + (this.#input.otherIds.has(id) ? 1e9 : 0),
			);
			if (address === undefined) continue;
			this.take(pool, address);
			return { address };
		}
		if (pools.length > 0)
			return { because: `no ${nameOf(family)} address is free in ${pools.map(({ name }) => name).join(", ")}` };
		const named = service.pool;
		return { because: named === undefined ? "no VirtualIPPool is for it" : `no VirtualIPPool ${named} is for it` };
	}

	#findAsked(service: BalancedService, family: "ipv4" | "ipv6", asked: readonly string[]) {
		for (const address of asked) {
			const place = placeOf(this.#input, service, address);
			if (!place || (place.pool && this.#taken.has(address))) continue;
			if (place.pool) this.take(place.pool, address);
			return { address };
		}
		const [first] = asked;
		return {
			because: first === undefined ? `it asks for no ${nameOf(family)} address` : `${first} is another Service's`,
		};
	}

	#isTaken(address: string): boolean {
		const { reserved, held } = this.#input;
		return this.#taken.has(address) || reserved.has(address) || held.has(address);
	}
}

function byAge(services: readonly BalancedService[]): readonly BalancedService[] {
	return [...services].sort((a, b) => a.createdMs - b.createdMs || (a.uid < b.uid ? -1 : a.uid > b.uid ? 1 : 0));
}

const routerKey = (pool: AddressPool, family: string, id: number): string => `${pool.name} ${family} ${id}`;

const familyOf = (address: string): "ipv4" | "ipv6" => (address.includes(":") ? "ipv6" : "ipv4");

const nameOf = (family: "ipv4" | "ipv6"): string => (family === "ipv4" ? "IPv4" : "IPv6");
