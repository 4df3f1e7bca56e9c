// Balancers on the real IPVS, with traffic of clients, pods and the node itself: who answers, and whose address it sees.

import assert from "node:assert/strict";
import { afterEach, before, describe, it } from "node:test";
import type { Backend, Balancer } from "../../src/l4/balancer.ts";
import type { Host } from "./host.testing.ts";
import { run } from "./ipvsadm.testing.ts";
import { addresses, type BalancingNode, batch, network } from "./network.testing.ts";

const vip = "10.96.0.1";
const to = (address: string, overrides: Partial<Backend> = {}): Backend => ({
	address,
	port: 8080,
	weight: 1,
	local: false,
	forwarding: { method: "NAT" },
	...overrides,
});
const both = [to(addresses.s1), to(addresses.s2)];
const balance = (
	backends: readonly Backend[],
	masquerade: "never" | "always" | "fromOutsideCluster" = "never",
): Balancer["outside"] => ({ type: "balance", backends, masquerade });
const balancer = (overrides: Partial<Balancer> = {}): Balancer => ({
	owner: "default/web",
	front: { family: "ipv4", type: "clusterIP", address: vip },
	protocol: "tcp",
	port: 80,
	scheduler: "rr",
	outside: balance(both),
	...overrides,
});

describe("balancing by IPVS", () => {
	let node: BalancingNode;
	let far: Host;
	let own: Host;
	let s1: Host;
	let s2: Host;
	const web = { address: vip, port: 80 };
	const asPod = { ...web, from: addresses.pod };

	let near: Host;

	before(async () => {
		({ node, far, near, own, s1, s2 } = await network());
		// What the node itself serves is nobody's business at a Service's address.
		await own.call("serveTcp", { port: 22, name: "node" });
	});
	afterEach(() => node.clear());

	it("spreads connections, and backends see the client", async () => {
		node.serve(balancer());
		assert.deepEqual(await far.tally(10, web), { s1: 5, s2: 5 });
		assert.match(await far.ask(web), / from 10\.9\.0\.9$/);
	});

	it("hides the source where a Service asks for it, and elsewhere where the client is no pod", async () => {
		node.serve(balancer({ outside: balance(both, "always") }));
		assert.match(await far.ask(web), / from 10\.0\.0\.1$/);
		assert.match(await far.ask(asPod), / from 10\.0\.0\.1$/);
		node.serve(balancer({ outside: balance(both, "fromOutsideCluster") }));
		assert.match(await far.ask(web), / from 10\.0\.0\.1$/);
		assert.match(await far.ask(asPod), / from 10\.8\.0\.9$/);
	});

	it("serves the node's own connections, which come from its own address", async () => {
		node.serve(balancer());
		assert.deepEqual(await own.tally(4, web), { s1: 2, s2: 2 });
		assert.match(await own.ask(web), / from 10\.0\.0\.1$/);
	});

	it("lets a backend reach itself by the Service's address", async () => {
		node.serve(balancer({ outside: balance([to(addresses.s1, { local: true })]) }));
		assert.equal(await s1.ask(web), "s1 from 10.0.0.1");
	});

	it("serves UDP", async () => {
		node.serve(balancer({ protocol: "udp" }));
		const answers = [await far.call("askUdp", web), await far.call("askUdp", web)];
		assert.deepEqual(answers.sort(), ["s1 from 10.9.0.9", "s2 from 10.9.0.9"]);
	});

	it("serves IPv6, with and without the client's address", async () => {
		const backends = [to("fd00::11"), to("fd00::12")];
		const front = { family: "ipv6", type: "clusterIP", address: "fd96::1" } as const;
		node.serve(balancer({ front, outside: balance(backends) }));
		assert.deepEqual(await far.tally(4, { address: "fd96::1", port: 80 }), { s1: 2, s2: 2 });
		assert.match(await far.ask({ address: "fd96::1", port: 80 }), / from fd09::9$/);
		node.serve(balancer({ front, outside: balance(backends, "always") }));
		assert.match(await far.ask({ address: "fd96::1", port: 80 }), / from fd00::1$/);
	});

	it("refuses a Service without endpoints, drops where the policy says so, and knows no other ports", async () => {
		node.serve(balancer({ outside: { type: "reject" } }), balancer({ port: 81, outside: { type: "drop" } }));
		assert.equal(await far.ask(web), "refused");
		assert.equal(await own.ask(web), "refused");
		assert.equal(await far.call("askUdp", { ...web, timeoutMs: 5000 }), "refused");
		assert.equal(await far.ask({ address: vip, port: 81, timeoutMs: 500 }), "silence");
		assert.equal(await far.ask({ address: vip, port: 22 }), "refused");
		assert.equal(await far.ask({ address: "10.9.0.1", port: 22 }), "node from 10.9.0.9");
	});

	it("admits only the ranges that may come", async () => {
		node.serve(balancer({ sourceRanges: ["10.8.0.0/16", "192.0.2.0/24"] }));
		assert.match(await far.ask(asPod), / from 10\.8\.0\.9$/);
		assert.equal(await far.ask({ ...web, timeoutMs: 500 }), "silence");
	});

	it("answers inside otherwise than outside, as externalTrafficPolicy Local does", async () => {
		const front = { family: "ipv4", type: "loadBalancerIP", address: vip } as const;
		node.serve(
			balancer({ front, outside: { type: "drop" }, inside: balance(both, "fromOutsideCluster") }),
			balancer({ front, port: 81, outside: balance([to(addresses.s1)]), inside: { type: "reject" } }),
			balancer({
				front,
				port: 82,
				outside: balance([to(addresses.s1)]),
				inside: balance([to(addresses.s2)], "always"),
			}),
		);
		assert.equal(await far.ask({ ...web, timeoutMs: 500 }), "silence");
		assert.deepEqual(await far.tally(4, asPod), { s1: 2, s2: 2 });
		assert.match(await far.ask(asPod), / from 10\.8\.0\.9$/);
		assert.match(await own.ask(web), / from 10\.0\.0\.1$/);
		assert.equal(await far.ask({ address: vip, port: 81 }), "s1 from 10.9.0.9");
		assert.equal(await far.ask({ ...asPod, port: 81 }), "refused");
		assert.equal(await far.ask({ address: vip, port: 82 }), "s1 from 10.9.0.9");
		assert.equal(await far.ask({ ...asPod, port: 82 }), "s2 from 10.0.0.1");
		assert.equal(await own.ask({ address: vip, port: 82 }), "s2 from 10.0.0.1");
	});

	it("answers node ports at each of the node's addresses that may have them, and no other", async () => {
		node.serve(
			balancer({ front: { family: "ipv4", type: "nodePort" }, port: 30_080, outside: balance(both, "always") }),
		);
		assert.deepEqual(await far.tally(4, { address: addresses.node, port: 30_080 }), { s1: 2, s2: 2 });
		assert.equal(await far.ask({ address: "10.9.0.1", port: 30_080 }), "refused");
		assert.deepEqual(await own.tally(2, { address: addresses.node, port: 30_080 }), { s1: 1, s2: 1 });
	});

	it("brings a client back to its backend for as long as the affinity says", async () => {
		node.serve(balancer({ affinity: { timeoutSec: 60 } }));
		const first = Object.keys(await far.tally(6, web));
		assert.equal(first.length, 1);
		const other = Object.keys(await far.tally(6, asPod));
		assert.notDeepEqual(other, first);
	});

	it("serves packets with a mark", async () => {
		const nft = ["ip", "netns", "exec", "node", "nft"];
		run(
			...nft,
			"add table ip mark-test; add chain ip mark-test in { type filter hook prerouting priority -150; }; add rule ip mark-test in ip daddr 10.0.0.1 tcp dport 700-799 meta mark set 77",
		);
		node.serve(balancer({ front: { family: "ipv4", type: "mark", mark: 77 }, port: 0 }));
		assert.deepEqual(await far.tally(2, { address: addresses.node, port: 700 }), { s1: 1, s2: 1 });
		assert.deepEqual(await far.tally(2, { address: addresses.node, port: 799 }), { s1: 1, s2: 1 });
		run(...nft, "delete table ip mark-test");
	});

	it("routes directly to backends that have the address, which answer the client themselves", async () => {
		for (const name of ["s1", "s2"]) batch(name, "address add 10.0.0.100/32 dev lo");
		for (const server of [s1, s2]) await server.call("serveTcp", { port: 90, name: server === s1 ? "s1" : "s2" });
		const backends = [addresses.s1, addresses.s2].map((address) =>
			to(address, { port: 90, forwarding: { method: "DR" } }),
		);
		batch("near", "route add 10.0.0.100 via 10.0.0.1");
		node.serve(
			balancer({
				front: { family: "ipv4", type: "externalIP", address: "10.0.0.100" },
				port: 90,
				outside: balance(backends),
			}),
		);
		assert.deepEqual(await near.tally(4, { address: "10.0.0.100", port: 90 }), { s1: 2, s2: 2 });
		for (const name of ["s1", "s2"]) batch(name, "address delete 10.0.0.100/32 dev lo");
	});

	for (const [tunnel, device, port] of [
		["ipip", "ipip", 101],
		["gre", "gre", 102],
		["gue", "ipip", 103],
	] as const)
		it(`tunnels by ${tunnel}`, async () => {
			if (tunnel === "gue") run("modprobe", "fou");
			if (tunnel === "gue") batch("s1", "fou add port 6080 gue");
			batch("s1", `link add t1 type ${device} local 10.0.0.11 remote any`, "link set t1 up");
			batch("s1", "address add 10.0.0.101/32 dev t1");
			for (const name of ["all", "t1"])
				run("ip", "netns", "exec", "s1", "sysctl", "-w", `net.ipv4.conf.${name}.rp_filter=0`);
			await s1.call("serveTcp", { port, name: "s1" });
			batch("near", "route replace 10.0.0.101 via 10.0.0.1");
			const forwarding = {
				method: "TUN",
				tunnel,
				checksum: "nocsum",
				...(tunnel === "gue" && { port: 6080 }),
			} as const;
			node.serve(
				balancer({
					front: { family: "ipv4", type: "externalIP", address: "10.0.0.101" },
					port,
					outside: balance([to(addresses.s1, { port, forwarding })]),
				}),
			);
			assert.equal(await near.ask({ address: "10.0.0.101", port }), "s1 from 10.0.0.9");
			batch("s1", "link delete t1");
		});
});
