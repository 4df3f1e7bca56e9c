// Who answers an ARP request for a Service's address: nobody, unless an interface has it. kube-proxy's dummy device beside it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { afterEach, before, describe, it } from "node:test";
import { applyHostSettings, ipvsHostSettings } from "../../src/kernel/linux/ipvs/ipvs-host-settings.ts";
import type { Host } from "./host.testing.ts";
import { run } from "./ipvsadm.testing.ts";
import { addresses, type BalancingNode, batch, network } from "./network.testing.ts";

describe("ARP for a Service's address", () => {
	let node: BalancingNode;
	let far: Host;
	before(async () => {
		({ node, far } = await network());
	});
	afterEach(() => node.clear());

	const serve = (address: string) =>
		node.serve({
			owner: "default/web",
			front: { family: "ipv4", type: "loadBalancerIP", address },
			protocol: "tcp",
			port: 80,
			scheduler: "rr",
			outside: {
				type: "balance",
				backends: [{ address: addresses.s1, port: 8080, weight: 1, local: false, forwarding: { method: "NAT" } }],
				masquerade: "never",
			},
		});
	const isAnswered = (address: string) =>
		spawnSync("ip", ["netns", "exec", "near", "busybox", "arping", "-c", "1", "-w", "1", "-I", "eth0", address])
			.status === 0;
	const setting = (name: string) =>
		run("ip", "netns", "exec", "node", "sysctl", "-n", `net.ipv4.conf.all.${name}`).trim();
	const withStrictArp = (then: () => void) => {
		const { before, problems } = applyHostSettings(ipvsHostSettings({ strictArp: true }), { netns: node.netns });
		assert.deepEqual(problems, []);
		assert.equal(`${setting("arp_ignore")} ${setting("arp_announce")}`, "1 2");
		then();
		assert.deepEqual(applyHostSettings(before, { netns: node.netns }).problems, []);
		assert.equal(`${setting("arp_ignore")} ${setting("arp_announce")}`, "0 0");
	};

	it("is answered by nobody, with and without strict ARP, while the address is served", async () => {
		serve("10.0.0.200");
		assert.equal(isAnswered(addresses.node), true);
		assert.equal(isAnswered("10.0.0.200"), false);
		withStrictArp(() => assert.equal(isAnswered("10.0.0.200"), false));
		assert.equal(await far.ask({ address: "10.0.0.200", port: 80 }), "s1 from 10.9.0.9");
	});

	it("is answered by a node with the address on a dummy device, as kube-proxy has it, unless ARP is strict", () => {
		batch("node", "link add kube-ipvs0 type dummy", "address add 10.0.0.201/32 dev kube-ipvs0");
		assert.equal(isAnswered("10.0.0.201"), true);
		withStrictArp(() => assert.equal(isAnswered("10.0.0.201"), false));
		batch("node", "link delete kube-ipvs0");
	});

	it("is answered by the node whose interface has the address: a virtual IP", async () => {
		batch("node", "address add 10.0.0.202/24 dev eth0");
		serve("10.0.0.202");
		withStrictArp(() => assert.equal(isAnswered("10.0.0.202"), true));
		assert.equal(await far.ask({ address: "10.0.0.202", port: 80 }), "s1 from 10.9.0.9");
		batch("node", "address delete 10.0.0.202/24 dev eth0");
	});
});
