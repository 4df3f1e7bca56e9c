// Balancers drawn by a seed: few addresses and ports, so that owners meet at the same ones, and everything a balancer can say.

import type { Answer, Backend, Balancer, Front, IpFamily } from "../balancer.ts";
import { type SchedulerName, schedulerNames } from "../scheduler.ts";

export interface RandomBalancers {
	readonly schedulers?: readonly SchedulerName[];
	readonly families?: readonly IpFamily[];
}

export function randomBalancers(
	owner: string,
	random: () => number,
	options: RandomBalancers = {},
): readonly Balancer[] {
	const below = (count: number): number => Math.floor(random() * count);
	const one = <Value>(values: readonly [Value, ...Value[]]): Value => values[below(values.length)] ?? values[0];
	const chance = (share: number): boolean => random() < share;
	const schedulers = options.schedulers ?? schedulerNames;

	const front = (): Front => {
		const family = (options.families ?? ["ipv4", "ipv6"])[below((options.families ?? ["", ""]).length)] ?? "ipv4";
		const type = one([
			"clusterIP",
			"clusterIP",
			"externalIP",
			"loadBalancerIP",
			"virtualServer",
			"nodePort",
			"nodePort",
			"mark",
		] as const);
		if (type === "nodePort") return { type, family };
		if (type === "mark") return { type, family, mark: 1 + below(2) };
		return {
			type,
			family,
			address:
				family === "ipv4" ? `10.96.0.${1 + below(4)}` : `${chance(0.8) ? "fd96::" : "FD96:0:0::"}${1 + below(4)}`,
		};
	};
	const backend = (family: IpFamily): Backend => ({
		address: family === "ipv4" ? `10.244.0.${below(6)}` : `fd44::${1 + below(6)}`,
		port: one([8080, 8080, 9090]),
		weight: chance(0.8) ? 1 : below(4),
		local: false,
		forwarding: { method: chance(0.97) ? "NAT" : "DR" },
	});
	const answer = (family: IpFamily, port: number): Answer => {
		if (chance(0.12)) return { type: "drop" };
		if (chance(0.12)) return { type: "reject" };
		const distinct = new Map(
			Array.from({ length: 1 + below(5) }, () => backend(chance(0.97) ? family : "ipv4")).map((each) => [
				`${each.address} ${each.port}`,
				each,
			]),
		);
		const backends = [...distinct.values()]
			.sort((a, b) => (a.address === b.address ? a.port - b.port : a.address < b.address ? -1 : 1))
			.map((each) => ({ ...each, local: /[01]$/.test(each.address), port: port === 0 ? 0 : each.port }));
		return { type: "balance", backends, masquerade: one(["never", "always", "fromOutsideCluster"]) };
	};
	return Array.from({ length: below(4) }, (_, index) => {
		const where = front();
		const port = where.type !== "nodePort" && chance(0.1) ? 0 : 80 + below(2);
		return {
			owner: `${owner}:p${index}`,
			front: where,
			protocol: one(["tcp", "udp", "sctp"] as const),
			port,
			scheduler: schedulers[below(schedulers.length)] ?? "random",
			...(chance(0.2) ? { affinity: { timeoutSec: one([60, 10800]) } } : {}),
			...(chance(0.2)
				? {
						sourceRanges:
							where.family === "ipv4"
								? one([["10.0.0.0/8", "10.1.0.0/16"], ["192.0.2.7/32"], ["10.0.0.0/7", "10.2.3.4/16"], ["0.0.0.0/0"]])
								: one([["fd00::/8"], ["fd01::/16", "2001:db8::1/128"]]),
					}
				: {}),
			outside: answer(where.family, port),
			...(chance(0.3) ? { inside: answer(where.family, port) } : {}),
		} satisfies Balancer;
	});
}
