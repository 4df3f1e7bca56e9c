// The rule that a balancer asks for, as IPVS has it. In: a scheduler's name. Out: the kernel's name and flags (linux: net/netfilter/ipvs).
// random: the kernel has none; rr is nearest. mh and maglev hash address and port of the client (`mh-port`), as the nftables backend does,
// so that one client's connections spread; and sh, mh pass over a backend that takes nothing new (`-fallback`): else those clients
// would be refused until it is gone.

import type { SchedulerName } from "../scheduler.ts";
import type { VirtualServer } from "./virtual-server.ts";

export function kernelScheduler(name: SchedulerName): Pick<VirtualServer, "scheduler" | "schedulerFlags"> {
	switch (name) {
		case "random":
			return { scheduler: "rr" };
		case "mh":
		case "maglev":
			return { scheduler: "mh", schedulerFlags: [1, 2] };
		case "sh":
			return { scheduler: "sh", schedulerFlags: [1] };
		default:
			return { scheduler: name };
	}
}

/** dh gives weight 0 its share of addresses and then refuses them: there a leaving backend must leave at once. */
export const passesOverWeightZero = (scheduler: string): boolean => scheduler !== "dh";
