// Balancers by chance, the same for the same seed: few enough fronts and backends that they meet again and again.

import type { Answer, Backend, Balancer, Front } from "../balancer.ts";
import type { NodeFacts } from "../node-facts.ts";
import type { SchedulerName } from "../scheduler.ts";

export const walkNode: NodeFacts = {
	name: "n",
	families: ["ipv4", "ipv6"],
	nodePortAddresses: ["10.0.0.1", "fd00::1"],
	localTraffic: { type: "ranges", ranges: ["10.8.0.0/16"] },
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "rr",
};

export class Chance {
	#state: number;

	constructor(seed: number) {
		this.#state = seed;
	}

	/** 0 to below - 1. */
	below(below: number): number {
		this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
		return Math.floor((this.#state / 2 ** 32) * below);
	}

	of<Thing>(things: readonly [Thing, ...Thing[]]): Thing {
		return things[this.below(things.length)] ?? things[0];
	}
}

const schedulers = ["rr", "wrr", "lc", "wlc", "sh", "dh", "mh", "random"] as const satisfies readonly SchedulerName[];

export function randomBalancers(chance: Chance, owner: string): readonly Balancer[] {
	return Array.from({ length: chance.below(3) }, () => randomBalancer(chance, owner));
}

function randomBalancer(chance: Chance, owner: string): Balancer {
	const family = chance.of(["ipv4", "ipv4", "ipv6"] as const);
	const last = chance.below(5) + 1;
	const address = family === "ipv4" ? `10.96.0.${last}` : `fd96::${last}`;
	const front = chance.of<Front>([
		{ family, type: "clusterIP", address },
		{ family, type: "externalIP", address },
		{ family, type: "nodePort" },
		{ family, type: "mark", mark: last },
	]);
	const plain = front.type === "mark";
	return {
		owner,
		front,
		protocol: chance.of(["tcp", "tcp", "udp", "sctp"]),
		port: front.type === "mark" ? 0 : front.type === "nodePort" ? 30_000 + last : 80 + chance.below(2),
		scheduler: chance.of(schedulers),
		...(chance.below(4) === 0 && { affinity: { timeoutSec: 60 * (1 + chance.below(2)) } }),
		...(!plain && chance.below(4) === 0 && { sourceRanges: [family === "ipv4" ? "10.8.0.0/16" : "fd08::/64"] }),
		outside: plain ? balance(chance, family, "never") : randomAnswer(chance, family),
		...(!plain && chance.below(4) === 0 && { inside: randomAnswer(chance, family) }),
	};
}

function randomAnswer(chance: Chance, family: Front["family"]): Answer {
	const kind = chance.below(6);
	if (kind === 0) return { type: "drop" };
	if (kind === 1) return { type: "reject" };
	return balance(chance, family, chance.of(["never", "always", "fromOutsideCluster"]));
}

function balance(
	chance: Chance,
	family: Front["family"],
	masquerade: Extract<Answer, { type: "balance" }>["masquerade"],
): Answer {
	const backends = new Map<number, Backend>();
	for (let count = chance.below(4) + 1; count > 0; count--) {
		const last = chance.below(6) + 11;
		backends.set(last, {
			address: family === "ipv4" ? `10.0.0.${last}` : `fd00::${last}`,
			port: 8080,
			weight: chance.below(4),
			local: chance.below(3) === 0,
			forwarding: chance.below(5) === 0 ? { method: "DR" } : { method: "NAT" },
			upperThreshold: chance.below(5) === 0 ? 100 : 0,
		});
	}
	return { type: "balance", backends: [...backends.values()], masquerade };
}
