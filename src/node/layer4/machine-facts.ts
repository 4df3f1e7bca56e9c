// The machine's addresses and routes -> what plans must know of it. In: the host's network. Out: MachineFacts.

import type { HostAddress, HostNetwork, HostRoute } from "../../kernel/host-network.ts";
import type { IpFamily } from "../../l4/balancer.ts";
import type { MachineFacts } from "../../l4/services/kube-proxy-settings.ts";

export interface MachineNames {
	readonly name: string;
	readonly zone?: string;
	/** Of this node's pods. */
	readonly podRanges: readonly string[];
}

export function machineFacts(names: MachineNames, network: Pick<HostNetwork, "addresses" | "routes">): MachineFacts {
	const all = network.addresses().filter(({ scope, duplicate }) => scope === "global" && !duplicate);
	const routes = network.routes();
	const primaries = (["ipv4", "ipv6"] as const).flatMap((family) => primaryOf(family, all, routes) ?? []);
	// Without an address of its own a node forwards nothing of that family; IPv4 rules are there in any case.
	const hasV6 = all.some(({ family }) => family === "ipv6");
	return {
		...names,
		families: hasV6 ? ["ipv4", "ipv6"] : ["ipv4"],
		primaryAddresses: primaries,
		addresses: [...new Set(all.map(({ address }) => address))],
	};
}

/** What the default route sends from; without one, the first that is not virtual. */
function primaryOf(family: IpFamily, all: readonly HostAddress[], routes: readonly HostRoute[]): string | undefined {
	const own = all.filter((one) => one.family === family && !one.owned);
	const route = routes
		.filter((one) => one.family === family && one.destination === "default")
		.sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0))[0];
	if (route?.source !== undefined) return route.source;
	return (own.find((one) => one.interface === route?.interface) ?? own[0])?.address;
}
