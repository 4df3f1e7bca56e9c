// What happens on the machine's network, and what it means for virtual routers: sockets that become possible or impossible,
// addresses that somebody else took away.

import type { HostNetwork, NetworkEvent } from "../../kernel/host-network.ts";
import { addressesOf } from "./address-keeper.ts";
import type { LinkFaults } from "./link-faults.ts";
import type { VirtualRouter } from "./virtual-router.ts";

export interface NetworkFollowerDeps {
	readonly network: HostNetwork;
	readonly links: LinkFaults;
	readonly routers: () => Iterable<VirtualRouter>;
	readonly retryHeartbeats: () => void;
	readonly faultsChanged: (router: VirtualRouter) => void;
	readonly noted: (router: VirtualRouter, because: string, facts: object) => void;
}

export class NetworkFollower {
	readonly #deps: NetworkFollowerDeps;

	constructor(deps: NetworkFollowerDeps) {
		this.#deps = deps;
	}

	handle(event: NetworkEvent): void {
		this.#deps.links.handle(event);
		if (event.type === "addressRemoved") this.#addressRemoved(event.address.interface, event.address.address);
		if (event.type === "addressAdded" || event.type === "eventsLost") this.#retrySockets();
		if (event.type === "eventsLost") for (const router of this.#deps.routers()) this.#restore(router);
	}

	/** An interface can carry virtual routers now, or no longer. */
	linkChanged(): void {
		this.#retrySockets();
		for (const router of this.#deps.routers()) this.#deps.faultsChanged(router);
	}

	#addressRemoved(on: string, address: string): void {
		for (const router of this.#deps.routers()) {
			const { config } = router;
			const own = addressesOf(config).find((one) => one.address === address && one.interface === on);
			if (own && !own.untracked) this.#restore(router);
			if (router.source !== address || config.interface !== on || own) continue;
			router.closeSocket(`${address}, which adverts are sent from, was removed from ${on}`);
			router.openSocket();
			this.#deps.faultsChanged(router);
		}
	}

	#restore(router: VirtualRouter): void {
		if (!router.holdsAddresses) return;
		const missing = addressesOf(router.config).find(
			({ address, interface: on, untracked }) =>
				!untracked && !this.#deps.network.addresses(on).some((one) => one.address === address),
		);
		if (!missing) return;
		const { address } = missing;
		this.#deps.noted(router, "an address was removed by somebody else and is put back", { address });
		router.restoreAddresses();
	}

	#retrySockets(): void {
		for (const router of this.#deps.routers()) {
			if (router.socketFault === undefined) continue;
			router.openSocket();
			if (router.socketFault === undefined) this.#deps.faultsChanged(router);
		}
		this.#deps.retryHeartbeats();
	}
}
