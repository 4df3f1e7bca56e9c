// What balancers of virtual_server blocks can say beside Services, with real packets through the kernel: marks, all ports of an
// address, weights, and schedulers that remember or count. The plan's changes go to the kernel as they would in a node.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openNftablesTables } from "../../src/kernel/linux/nftables/linux-nftables-tables.ts";
import type { NftablesTables } from "../../src/kernel/nftables-tables.ts";
import type { Backend, Balancer } from "../../src/l4/balancer.ts";
import { NftablesPlan } from "../../src/l4/nftables/nftables-plan.ts";
import { createL4World, type L4World, nodeFacts } from "../l4/l4-world.ts";
import type { Met } from "../l4/probe.ts";

const address = "10.96.7.1";
const [first, second, third] = ["10.244.1.10", "10.244.1.11", "10.244.2.10"] as const;
const service: Balancer = {
	owner: `virtual_server ${address} 80`,
	front: { type: "virtualServer", family: "ipv4", address },
	protocol: "tcp",
	port: 80,
	scheduler: "rr",
	outside: { type: "balance", backends: [to(first), to(second), to(third)], masquerade: "always" },
};

describe("layer 4 of virtual servers in the kernel", { skip: process.getuid?.() === 0 ? false : "needs root" }, () => {
	let world: L4World;
	let tables: NftablesTables;
	const plan = new NftablesPlan(nodeFacts);
	before(async () => {
		world = await createL4World();
		const opened = openNftablesTables({ netns: world.node.netns });
		assert.ok(opened.ok);
		tables = opened.value;
	});
	after(() => {
		tables?.close();
		world?.close();
	});

	function put(...balancers: readonly Balancer[]): void {
		plan.set("all", balancers);
		const written = tables.apply(plan.takeChanges());
		assert.ok(written.ok, JSON.stringify(written));
	}

	async function ask(tries: number, to = { address, port: 80 }): Promise<Met> {
		const [met] = await world.peers.outside.probe([{ protocol: "tcp", ...to, tries }]);
		assert.ok(met);
		return met;
	}

	/** Who answers each of so many connections, one after the other. */
	async function turns(count: number): Promise<readonly string[]> {
		const met = await world.peers.outside.probe(
			Array.from({ length: count }, () => ({ protocol: "tcp", address, port: 80, tries: 1 }) as const),
		);
		return met.map(({ answeredBy }) => answeredBy.join());
	}

	it("rr takes everybody in turn", async () => {
		put(service);
		const met = await turns(6);
		assert.equal(new Set(met.slice(0, 3)).size, 3, met.join(" "));
	});

	it("wrr gives three times the weight three times the connections, and weight 0 none", async () => {
		const backends = [to(first, 1), to(second, 3), to(third, 0)];
		put({ ...service, scheduler: "wrr", outside: { type: "balance", backends, masquerade: "always" } });
		const met = await turns(8);
		const shares = [first, second, third].map((one) => met.filter((by) => by === `${one}:8080`).length);
		assert.deepEqual(shares, [2, 6, 0], met.join(" "));
	});

	it("sh sends a client always to the same", async () => {
		put({ ...service, scheduler: "sh" });
		assert.equal((await ask(12)).answeredBy.length, 1);
	});

	it("maglev spreads the connections of one client", async () => {
		put({ ...service, scheduler: "maglev" });
		const met = await ask(60);
		assert.equal(met.answeredBy.length, 3);
		assert.deepEqual([met.refused, met.silent], [0, 0]);
	});

	it("persistence keeps a client with its backend while others come and go, and lets it go when that one leaves", async () => {
		const affinity = { timeoutSec: 600 };
		put({ ...service, affinity });
		const { answeredBy } = await ask(8);
		assert.equal(answeredBy.length, 1);
		const own = `${answeredBy[0]}`.replace(":8080", "");
		const staying = [to(own), to("10.244.1.12"), to("10.244.2.12")];
		put({ ...service, affinity, outside: { type: "balance", backends: staying, masquerade: "always" } });
		assert.deepEqual((await ask(8)).answeredBy, answeredBy);
		put({ ...service, affinity, outside: { type: "balance", backends: staying.slice(1), masquerade: "always" } });
		const moved = await ask(8);
		assert.equal(moved.answeredBy.length, 1);
		assert.notDeepEqual(moved.answeredBy, answeredBy);
	});

	it("all ports of an address keep their number", async () => {
		put({ ...service, port: 0, outside: { type: "balance", backends: [to(first, 1, 0)], masquerade: "always" } });
		assert.deepEqual((await ask(1, { address, port: 8080 })).answeredBy, [`${first}:8080`]);
		assert.deepEqual((await ask(1, { address, port: 9090 })).answeredBy, [`${first}:9090`]);
	});

	it("a mark is a front wherever the packet goes", async () => {
		put({ ...service, front: { type: "mark", family: "ipv4", mark: 7 }, port: 0 });
		const chain = "{ type filter hook prerouting priority -150; ip daddr 10.96.7.2 meta mark set 7; }";
		world.node.exec("nft", `table ip marks { chain c ${chain}; }`);
		assert.equal((await ask(6, { address: "10.96.7.2", port: 443 })).answeredBy.length, 3);
	});

	it("nobody with weight refuses", async () => {
		put({ ...service, outside: { type: "balance", backends: [to(first, 0)], masquerade: "always" } });
		assert.equal((await ask(1)).refused, 1);
	});
});

function to(backend: string, weight = 1, port = 8080): Backend {
	return { address: backend, port, weight, local: false, forwarding: { method: "NAT" } };
}
