// Keeps the kernel's list of addresses whose packets this machine does not take (keepalived's `no_accept`, RFC 9568's Accept_Mode
// false) at what the configuration says. In: virtual routers. Out: calls of HostNetwork, only where something changed.

import type { HostNetwork } from "../../kernel/host-network.ts";
import type { Log } from "../../runtime/log.ts";
import type { InstanceConfig } from "../../vip/vip-config.ts";
import { addressesOf } from "./address-keeper.ts";

export class RefusedPackets {
	readonly #network: Pick<HostNetwork, "refusePackets">;
	readonly #log: Log;
	/** Undefined: what a crashed run left is not known. */
	#addresses: string | undefined;

	/** `mayBeLeft`: an earlier run may have been killed, so that even an empty list is set. */
	constructor(network: Pick<HostNetwork, "refusePackets">, log: Log, mayBeLeft: boolean) {
		this.#network = network;
		this.#log = log;
		this.#addresses = mayBeLeft ? undefined : "";
	}

	/** To be awaited before addresses are added. The owner of addresses (priority 255) takes packets whatever it says. */
	async set(instances: readonly InstanceConfig[]): Promise<void> {
		const refused = instances
			.filter(({ accept, priority }) => !accept && priority !== 255)
			.flatMap((instance) => addressesOf(instance).map(({ address }) => address))
			.sort();
		if (refused.join() === this.#addresses) return;
		const outcome = await this.#network.refusePackets(refused);
		if (outcome.ok) this.#addresses = refused.join();
		else this.#log.error({ because: outcome.message }, "packets to addresses with no_accept are taken all the same");
	}
}
