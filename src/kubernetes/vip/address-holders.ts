// Which virtual router of a node holds an address.

import { canonicalAddress } from "../../l4/services/canonical-address.ts";
import type { InstanceConfig } from "../../vip/vip-config.ts";

/** Canonical address -> name of the virtual router. */
export function addressHolders(instances: readonly InstanceConfig[]): ReadonlyMap<string, string> {
	const holders = new Map<string, string>();
	for (const { name, addresses, excludedAddresses } of instances)
		for (const { address } of [...addresses, ...excludedAddresses])
			holders.set(canonicalAddress(address)?.text ?? address, name);
	return holders;
}
