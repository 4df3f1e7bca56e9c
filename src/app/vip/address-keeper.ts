// The addresses, routes and rules of one virtual router on this machine. In: "put them on", "take them off", a changed list.
// Out: what the kernel said. Additions come before removals, so that a changed list never leaves a gap.

import type { Failure, HostNetwork, Outcome } from "../../kernel/host-network.ts";
import type { InstanceConfig, VirtualAddress } from "../../vip/vip-config.ts";
import { virtualMacInterface } from "./vrrp-ports.ts";

export interface KeptAddress extends VirtualAddress {
	readonly interface: string;
}

/**
 * What is to be announced: addresses of both kinds, with their interfaces. The instance's own interface is the one with the
 * virtual MAC, also where its name is given.
 */
export function addressesOf(config: InstanceConfig): readonly KeptAddress[] {
	const own = config.virtualMac ? virtualMacInterface(config) : config.interface;
	return [...config.addresses, ...config.excludedAddresses].map((address) => ({
		...address,
		interface: address.interface === undefined || address.interface === config.interface ? own : address.interface,
	}));
}

export class AddressKeeper {
	readonly #network: HostNetwork;
	#config: InstanceConfig;
	#held = false;
	/** By `placeOf`. */
	readonly #added = new Map<string, KeptAddress>();

	constructor(network: HostNetwork, config: InstanceConfig) {
		this.#network = network;
		this.#config = config;
	}

	/** On this machine because of this process: what would be left if it were killed. */
	get added(): readonly KeptAddress[] {
		return [...this.#added.values()];
	}

	/** Put on, and not taken off since. */
	get held(): boolean {
		return this.#held;
	}

	/** Tries all; the first failure of an address counts, routes and rules are only reported. */
	add(onWarning: (failure: Failure) => void): Outcome {
		this.#held = true;
		const config = this.#config;
		let result: Outcome = { ok: true, changed: false };
		for (const address of addressesOf(config)) {
			if (config.promoteSecondaries) this.#network.promoteSecondaries(address.interface);
			const outcome = this.#addOne(address);
			if (!outcome.ok && result.ok) result = outcome;
			else if (outcome.ok && outcome.changed && result.ok) result = outcome;
		}
		if (!result.ok) return result;
		for (const route of config.routes) warnOf(this.#network.addRoute(route, config.interface), onWarning);
		for (const rule of config.rules ?? []) warnOf(this.#network.addRule(rule), onWarning);
		return result;
	}

	remove(onWarning: (failure: Failure) => void): Outcome {
		this.#held = false;
		const config = this.#config;
		for (const rule of config.rules ?? []) warnOf(this.#network.removeRule(rule), onWarning);
		for (const route of config.routes) warnOf(this.#network.removeRoute(route, config.interface), onWarning);
		let result: Outcome = { ok: true, changed: false };
		for (const address of [...addressesOf(config)].reverse()) {
			const outcome = this.#removeOne(address);
			// Without its interface an address is gone as well.
			if (!outcome.ok && outcome.because !== "noSuchInterface" && result.ok) result = outcome;
			else if (outcome.ok && outcome.changed && result.ok) result = outcome;
		}
		return result;
	}

	/** New ones first. Gives back those that are new, to be announced, once they are put on. */
	change(config: InstanceConfig, onWarning: (failure: Failure) => void): readonly KeptAddress[] {
		const before = this.#config;
		this.#config = config;
		if (!this.#held) return [];
		const added = missingFrom(addressesOf(config), addressesOf(before));
		for (const address of added) warnOf(this.#addOne(address), onWarning);
		for (const route of missingFrom(config.routes, before.routes))
			warnOf(this.#network.addRoute(route, config.interface), onWarning);
		for (const rule of missingFrom(config.rules ?? [], before.rules ?? []))
			warnOf(this.#network.addRule(rule), onWarning);
		for (const rule of missingFrom(before.rules ?? [], config.rules ?? []))
			warnOf(this.#network.removeRule(rule), onWarning);
		for (const route of missingFrom(before.routes, config.routes))
			warnOf(this.#network.removeRoute(route, before.interface), onWarning);
		const staying = new Set(addressesOf(config).map(placeOf));
		for (const address of addressesOf(before))
			if (!staying.has(placeOf(address))) warnOf(this.#removeOne(address), onWarning);
		return added;
	}

	#addOne(address: KeptAddress): Outcome {
		const outcome = this.#network.addAddress(address.interface, address);
		if (outcome.ok && outcome.changed) this.#added.set(placeOf(address), address);
		return outcome;
	}

	#removeOne(address: KeptAddress): Outcome {
		const outcome = this.#network.removeAddress(address.interface, address);
		if (outcome.ok) this.#added.delete(placeOf(address));
		return outcome;
	}
}

/** By interface and address: two forms of one (another label) cannot be there at once. */
function placeOf({ interface: on, address, prefixLength }: KeptAddress): string {
	return `${on} ${address}/${prefixLength}`;
}

function missingFrom<Thing>(wanted: readonly Thing[], present: readonly Thing[]): readonly Thing[] {
	const known = new Set(present.map((thing) => JSON.stringify(thing)));
	return wanted.filter((thing) => !known.has(JSON.stringify(thing)));
}

function warnOf(outcome: Outcome, onWarning: (failure: Failure) => void): void {
	if (!outcome.ok) onWarning(outcome);
}
