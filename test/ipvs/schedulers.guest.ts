// Every scheduler of the kernel, asked for by its name in a balancer: who gets the connections.

import assert from "node:assert/strict";
import { afterEach, before, describe, it } from "node:test";
import type { SchedulerName } from "../../src/l4/scheduler.ts";
import type { Host } from "./host.testing.ts";
import { addresses, type BalancingNode, network } from "./network.testing.ts";

const web = { address: "10.96.0.2", port: 80 };
type Tally = Readonly<Record<string, number>>;

describe("schedulers", () => {
	let node: BalancingNode;
	let far: Host;
	before(async () => {
		({ node, far } = await network());
	});
	afterEach(() => node.clear());

	const serve = (scheduler: SchedulerName, firstWeight = 1) => {
		const backend = { port: 8080, local: false, forwarding: { method: "NAT" } } as const;
		node.serve({
			owner: "default/web",
			front: { family: "ipv4", type: "clusterIP", address: web.address },
			protocol: "tcp",
			port: web.port,
			scheduler,
			outside: {
				type: "balance",
				backends: [
					{ ...backend, address: addresses.s1, weight: firstWeight },
					{ ...backend, address: addresses.s2, weight: 1 },
				],
				masquerade: "never",
			},
		});
	};
	/** Connections that stay open until all are there. */
	const hold = async (count: number): Promise<Tally> => {
		const found: Record<string, number> = {};
		for (let index = 0; index < count; index++) {
			const [name = ""] = (await far.call("open", { id: `held-${index}`, ...web })).split(" ");
			found[name] = (found[name] ?? 0) + 1;
		}
		for (let index = 0; index < count; index++) await far.call("abort", { id: `held-${index}` });
		return found;
	};

	for (const [scheduler, weight, expected] of [
		["rr", 3, { s1: 4, s2: 4 }],
		["random", 3, { s1: 4, s2: 4 }],
		["wrr", 3, { s1: 6, s2: 2 }],
		["fo", 3, { s1: 8 }],
	] as const)
		it(`${scheduler} spreads eight connections at weights ${weight} and 1`, async () => {
			serve(scheduler, weight);
			assert.deepEqual(await far.tally(8, web), expected);
		});

	for (const [scheduler, weight, expected] of [
		// Over its weight, not at it.
		["ovf", 2, { s1: 3, s2: 1 }],
		["lc", 1, { s1: 2, s2: 2 }],
		["wlc", 3, { s1: 3, s2: 1 }],
		["sed", 3, { s1: 3, s2: 1 }],
		["nq", 3, { s1: 3, s2: 1 }],
	] as const)
		it(`${scheduler} counts the connections that are open, at weights ${weight} and 1`, async () => {
			serve(scheduler, weight);
			assert.deepEqual(await hold(4), expected);
		});

	for (const scheduler of ["sh", "dh", "lblc", "lblcr"] as const)
		it(`${scheduler} keeps a client at one backend`, async () => {
			serve(scheduler);
			assert.deepEqual(Object.values(await far.tally(6, web)), [6]);
		});

	for (const scheduler of ["mh", "maglev"] as const)
		it(`${scheduler} chooses by address and port of the client`, async () => {
			serve(scheduler);
			const found = await far.tally(24, web);
			assert.deepEqual(Object.keys(found).sort(), ["s1", "s2"]);
		});

	for (const scheduler of ["sh", "mh", "rr"] as const)
		it(`${scheduler} passes over a backend that takes nothing new`, async () => {
			serve(scheduler, 0);
			assert.deepEqual(await far.tally(8, web), { s2: 8 });
		});
});
