// What becomes of flows over time, with the balancer that runs in a node: affinity ends after its time-out, a UDP flow leaves
// an endpoint that is gone, a TCP connection stays with it.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Layer4Endpoint, type Layer4Service, layer4Key } from "../../src/l4/layer4-service.ts";
import { connectInNamespace } from "../../src/lab/namespace-socket.ts";
import type { ServiceBalancer } from "../../src/node/layer4/service-balancer.ts";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { createL4World, type L4World, nodeFacts } from "../l4/l4-world.ts";
import { openBalancer } from "../l4/open-balancer.ts";

const [a, b, x] = ["10.244.1.10", "10.244.1.11", "10.244.2.10"] as const;

describe("flows through layer 4", { skip: cannotRun }, () => {
	let world: L4World;
	let balancer: ServiceBalancer;
	before(async () => {
		world = await createL4World();
		balancer = openBalancer(world.node.netns, nodeFacts);
	});
	after(() => {
		balancer?.close({ keepRules: true });
		world?.close();
	});
	const set = async (service: Layer4Service): Promise<void> => {
		balancer.update(new Map([[layer4Key(service), service]]));
		await Promise.resolve();
		assert.deepEqual(balancer.problems(), []);
	};

	it("forget a client's endpoint when it has been away for the time-out of its affinity", async () => {
		const service = aService("10.96.2.1", "tcp", [a, b, x], { affinity: { timeoutSec: 3 } });
		await set(service);
		const ask = async (tries: number) => {
			const probe = { protocol: "tcp", address: "10.96.2.1", port: 80, tries } as const;
			return (await world.peers.pod.probe([probe]))[0]?.answeredBy ?? [];
		};
		const first = await ask(8);
		assert.equal(first.length, 1);
		// Every connection begins the time anew.
		for (let times = 0; times < 4; times++) {
			await sleep(1_500);
			assert.deepEqual(await ask(1), first);
		}
		for (let times = 0; times < 14; times++) {
			await sleep(3_200);
			const now = await ask(2);
			if (now.join() !== first.join()) return;
		}
		assert.fail(`${first.join()} answers for ever`);
	});

	/** Flows are forgotten right after the rules are in force, not with them. */
	const untilAnswered = async (probe: Parameters<typeof world.peers.pod.probe>[0][number], by: string) => {
		const endMs = performance.now() + 3_000;
		for (;;) {
			const [now] = await world.peers.pod.probe([probe]);
			if (now?.answeredBy.join() === by) return;
			assert.ok(performance.now() < endMs, `${now?.answeredBy.join()} answers`);
			await sleep(10);
		}
	};

	it("of UDP go to another endpoint as soon as theirs is gone", async () => {
		const probe = { protocol: "udp", address: "10.96.2.2", port: 80, tries: 1, fromPort: 40_123 } as const;
		await set(aService("10.96.2.2", "udp", [a]));
		const [before] = await world.peers.pod.probe([probe]);
		assert.deepEqual(before?.answeredBy, [`${a}:8080`]);
		await set(aService("10.96.2.2", "udp", [x]));
		await untilAnswered(probe, `${x}:8080`);
	});

	it("of UDP that began before the Service was there find it then", async () => {
		const probe = {
			protocol: "udp",
			address: "10.96.2.4",
			port: 80,
			tries: 1,
			timeoutMs: 300,
			fromPort: 40_124,
		} as const;
		const [before] = await world.peers.pod.probe([probe]);
		assert.deepEqual(before?.answeredBy, []);
		await set(aService("10.96.2.4", "udp", [a]));
		await untilAnswered(probe, `${a}:8080`);
	});

	it("of TCP stay with an endpoint that takes no new connections", async () => {
		await set(aService("10.96.2.3", "tcp", [a]));
		const socket = await connectInNamespace(world.client.netns, { host: "10.96.2.3", port: 80 }, 3000);
		let heard = "";
		socket.on("data", (bytes) => {
			heard += bytes;
		});
		const hears = async (text: string): Promise<void> => {
			for (let waitedMs = 0; waitedMs < 3000 && !heard.includes(text); waitedMs += 10) await sleep(10);
			assert.ok(heard.includes(text), `heard ${heard}`);
		};
		await hears(a);
		await set(aService("10.96.2.3", "tcp", [x]));
		const probe = { protocol: "tcp", address: "10.96.2.3", port: 80, tries: 6 } as const;
		const [now] = await world.peers.outside.probe([probe]);
		assert.deepEqual(now?.answeredBy, [`${x}:8080`]);
		socket.write("still here");
		await hears("still here");
		socket.destroy();
	});
});

function aService(
	address: string,
	protocol: "tcp" | "udp",
	endpoints: readonly string[],
	more: Partial<Layer4Service> = {},
): Layer4Service {
	const ready = (one: string): Layer4Endpoint => ({
		address: one,
		port: 8080,
		node: one.startsWith("10.244.1.") ? "node-1" : "node-2",
		ready: true,
		serving: true,
		terminating: false,
	});
	return {
		namespace: "default",
		name: `service-${address}`,
		clusterAddresses: [address],
		externalAddresses: [],
		loadBalancerAddresses: [],
		ports: [{ name: "", protocol, port: 80, endpoints: endpoints.map(ready) }],
		externalPolicy: "Cluster",
		internalPolicy: "Cluster",
		sourceRanges: [],
		...more,
	};
}
