// What each way of balancing in the kernel can do of what a virtual_server asks for. In: a scheduler, a way of forwarding. Out: what
// is done instead, or why it cannot be done.

import type { Scheduler } from "../../vip/keepalived-conf/virtual-servers.ts";
import type { Forwarding } from "../balancer.ts";
import type { SchedulerName } from "../scheduler.ts";

export type BalancingBackend = "nftables" | "ipvs";

/** nftables picks a server without knowing of the connections that are there. */
const nftablesInstead: Readonly<Record<Scheduler, SchedulerName>> = {
	rr: "rr",
	wrr: "wrr",
	sh: "sh",
	mh: "mh",
	lc: "rr",
	wlc: "wrr",
	sed: "wrr",
	nq: "wrr",
	twos: "wrr",
	lblc: "wrr",
	lblcr: "wrr",
	dh: "wrr",
	// The heaviest server alone, as the pool is made: whichever scheduler picks it.
	fo: "rr",
	ovf: "rr",
};

export interface ChosenScheduler {
	readonly scheduler: SchedulerName;
	/** Only the heaviest server takes connections. */
	readonly heaviestOnly: boolean;
	/** What is lost. */
	readonly because?: string;
}

export function schedulerFor(scheduler: Scheduler, backend: BalancingBackend): ChosenScheduler {
	if (backend === "ipvs") return { scheduler, heaviestOnly: false };
	const instead = nftablesInstead[scheduler];
	const heaviestOnly = scheduler === "fo" || scheduler === "ovf";
	if (instead === scheduler || scheduler === "fo") return { scheduler: instead, heaviestOnly };
	const because =
		scheduler === "ovf"
			? "nftables does not count connections: the heaviest server takes all, nothing overflows"
			: scheduler === "dh"
				? "nftables does not pick by the destination: wrr is taken"
				: `nftables does not count connections, which ${scheduler} picks by: ${instead} is taken`;
	return { scheduler: instead, heaviestOnly, because };
}

/** Why packets cannot be forwarded like that; undefined: they can. */
export function whyNotForwarded(forwarding: Forwarding, backend: BalancingBackend): string | undefined {
	if (backend === "ipvs" || forwarding.method === "NAT") return undefined;
	return `nftables changes the destination of packets (NAT), and cannot forward them by ${forwarding.method}`;
}
