// What nftables does not do, or does otherwise than asked. In: a balancer. Out: a line for each.

import type { Balancer } from "../balancer.ts";
import { drawnByOf, usableBackends } from "./front-state.ts";

export interface PlanProblem {
	/** Of the balancer. */
	readonly owner: string;
	readonly message: string;
}

export function problemsOf(balancer: Balancer): readonly PlanProblem[] {
	const { owner, front, scheduler } = balancer;
	const messages: string[] = [];
	if (drawnByOf(scheduler) === undefined)
		messages.push(`scheduler ${scheduler} needs IPVS; connections are spread at random`);
	for (const answer of [balancer.outside, balancer.inside]) {
		if (answer?.type !== "balance") continue;
		const { backends } = answer;
		const foreign = backends.length - usableBackends(backends, front.family).length;
		if (foreign > 0) messages.push(`${foreign} of ${backends.length} backends are not ${front.family} and get nothing`);
		const method = backends.find(({ forwarding }) => forwarding.method !== "NAT")?.forwarding.method;
		if (method !== undefined) messages.push(`forwarding ${method} needs IPVS; packets are translated (NAT)`);
		if (backends.some(({ upperThreshold = 0 }) => upperThreshold > 0))
			messages.push("limits of connections (u_threshold) need IPVS; there is no limit");
	}
	return [...new Set(messages)].map((message) => ({ owner, message }));
}
