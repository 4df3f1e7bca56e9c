// Which of several balancers that want the same address, protocol and port has it. In: two of them. Out: an order, the same in the rules of
// either backend and in what is said of them.

import { compareText } from "../resources/config-object.ts";
import type { Balancer, Front } from "./balancer.ts";

export interface Claim {
	/** The Service that the balancer is of. */
	readonly owner: string;
	readonly balancer: Balancer;
}

/** The API server gives cluster addresses, and controllers those of load balancers; whoever may write a Service writes external ones. */
const ranks: Readonly<Record<Front["type"], number>> = {
	clusterIP: 0,
	virtualServer: 0,
	mark: 0,
	nodePort: 0,
	loadBalancerIP: 1,
	externalIP: 2,
};

/** Negative: `a` has it. Nobody takes a cluster address by writing it as an external one (CVE-2020-8554); else the first by name. */
export function compareClaims(a: Claim, b: Claim): number {
	return ranks[a.balancer.front.type] - ranks[b.balancer.front.type] || compareText(a.owner, b.owner);
}
