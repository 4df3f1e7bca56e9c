// Addresses that a crashed run left on this machine: removed at the start.

import type { HostNetwork } from "../../kernel/host-network.ts";
import type { Log } from "../../runtime/log.ts";
import type { InstanceConfig } from "../../vip/vip-config.ts";
import { addressesOf } from "./address-keeper.ts";

/** Gives back the names of the instances whose addresses were there: this node was their last owner. */
export function removeLeftOvers(
	network: HostNetwork,
	instances: readonly InstanceConfig[],
	log: Log,
): readonly string[] {
	const left = new Set(network.ownedAddresses().map(({ address }) => address));
	const { removed, failed } = network.cleanUp();
	if (removed.length > 0) log.warn({ removed }, "what a crashed run had left was removed");
	for (const { message } of failed) log.error({ because: message }, "what a crashed run had left cannot be removed");
	return instances
		.filter((instance) => addressesOf(instance).some(({ address }) => left.has(address)))
		.map(({ name }) => name);
}
