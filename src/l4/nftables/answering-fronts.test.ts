// What a node does with packets of endpoints in the middle of connections that it did not see begin.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Backend, Balancer, Front } from "../balancer.ts";
import type { NodeFacts } from "../node-facts.ts";
import type { SchedulerName } from "../scheduler.ts";
import { followPacket } from "./follow-packet.testing.ts";
import { KernelModel } from "./kernel-model.testing.ts";
import { NftablesPlan } from "./nftables-plan.ts";
import type { NftTcpFlag } from "./ruleset.ts";

const node: NodeFacts = {
	name: "n1",
	families: ["ipv4", "ipv6"],
	nodePortAddresses: ["192.0.2.1"],
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
};

const endpoint = (address: string, local = false): Backend => ({
	address,
	port: 8080,
	weight: 1,
	local,
	forwarding: { method: "NAT" },
});
const cluster: Front = { type: "clusterIP", family: "ipv4", address: "10.96.0.10" };
const loadBalancer: Front = { type: "loadBalancerIP", family: "ipv4", address: "203.0.113.10" };
const backends = [endpoint("10.244.2.5"), endpoint("10.244.3.5")];
const web = (front: Front, rest: Partial<Balancer> = {}): Balancer => ({
	owner: "shop/web:http",
	front,
	protocol: "tcp",
	port: 80,
	scheduler: "maglev",
	outside: { type: "balance", backends, masquerade: "never" },
	...rest,
});

/** What becomes of such a packet of 10.244.2.5:8080 to a client, after these plans, one after another. */
function answerOf(
	plans: readonly (readonly Balancer[])[],
	flags: readonly NftTcpFlag[] = ["ack", "psh"],
	source = "10.244.2.5",
	invalid = false,
): string {
	const plan = new NftablesPlan(node);
	const kernel = new KernelModel();
	for (const balancers of plans) {
		plan.set("shop/web:http", balancers);
		kernel.apply(plan.takeChanges());
	}
	const family = source.includes(":") ? "ip6" : "ip";
	const contents = kernel.contents().find(({ table }) => table.family === family);
	assert.ok(contents);
	const [outcome = ""] = followPacket(contents, {
		hook: "prerouting",
		interface: "eth0",
		source,
		sourcePort: 8080,
		destination: family === "ip6" ? "2001:db8::9" : "198.51.100.9",
		port: 40000,
		protocol: "tcp",
		mark: 0,
		flags,
		invalid,
	});
	return outcome;
}

describe("an endpoint that speaks before its client on a node that took over", () => {
	for (const scheduler of ["maglev", "mh", "sh"] satisfies SchedulerName[])
		it(`answers from its front (${scheduler})`, () => {
			assert.equal(answerOf([[web(cluster, { scheduler })]]), "from 10.96.0.10 80");
		});

	it("answers from its front (IPv6)", () => {
		const front: Front = { type: "clusterIP", family: "ipv6", address: "fd96::1" };
		const outside = { type: "balance", backends: [endpoint("fd44::5")], masquerade: "never" } as const;
		assert.equal(answerOf([[web(front, { outside })]], ["ack"], "fd44::5"), "from fd96::1 80");
	});

	it("may open and refuse connections of its own", () => {
		for (const flag of ["syn", "rst"] satisfies NftTcpFlag[])
			assert.equal(answerOf([[web(cluster)]], [flag, "ack"]), "pass", flag);
	});

	it("is left alone where another node would choose another endpoint", () => {
		for (const scheduler of ["random", "rr", "wrr"] satisfies SchedulerName[])
			assert.equal(answerOf([[web(cluster, { scheduler })]]), "pass", scheduler);
	});

	it("is left alone on its own node: clients' nodes saw their connections begin", () => {
		const outside = { type: "balance", backends: [endpoint("10.244.2.5", true)], masquerade: "never" } as const;
		assert.equal(answerOf([[web(cluster, { outside })]]), "pass");
	});

	it("is left alone where the node's own address hid the client's", () => {
		const outside = { type: "balance", backends, masquerade: "always" } as const;
		assert.equal(answerOf([[web(cluster, { outside })]]), "pass");
	});

	it("answers from the address that moves between nodes rather than from the cluster address", () => {
		assert.equal(answerOf([[web(cluster), web(loadBalancer)]]), "from 203.0.113.10 80");
	});

	it("waits for its client where it has two such fronts", () => {
		const second: Front = { ...loadBalancer, address: "203.0.113.11" };
		const two = [web(loadBalancer), web(second)];
		assert.equal(answerOf([two]), "drop");
		assert.equal(answerOf([two], ["syn", "ack"]), "pass");
		assert.equal(answerOf([two, [web(second)]]), "from 203.0.113.11 80");
		assert.equal(answerOf([[web(second)], two]), "drop");
	});

	it("follows a front that becomes of another kind at the same address", () => {
		const moving: Front = { ...cluster, type: "externalIP" };
		const other: Front = { ...loadBalancer, address: "203.0.113.11" };
		const sh = { scheduler: "sh" } as const;
		assert.equal(
			answerOf([
				[web(cluster, sh), web(other, sh)],
				[web(moving, sh), web(other, sh)],
			]),
			"drop",
		);
	});

	it("is forgotten with its front, and by its front", () => {
		assert.equal(answerOf([[web(cluster)], []]), "pass");
		const others = { type: "balance", backends: backends.slice(1), masquerade: "never" } as const;
		assert.equal(answerOf([[web(cluster)], [web(cluster, { outside: others })]]), "pass");
		assert.equal(answerOf([[web(cluster)], [web(cluster, { scheduler: "random" })]]), "pass");
	});
});

describe("an endpoint's packet that does not fit what the node saw of its connection", () => {
	const strayOf = (plans: readonly (readonly Balancer[])[], flags: readonly NftTcpFlag[] = ["ack", "psh"]): string =>
		answerOf(plans, flags, "10.244.2.5", true);

	it("does not reach the client, who would reset the connection", () => {
		const second: Front = { ...loadBalancer, address: "203.0.113.11" };
		assert.equal(strayOf([[web(cluster)]]), "drop");
		assert.equal(strayOf([[web(loadBalancer), web(second)]]), "drop");
	});

	it("passes where it resets or opens, for a client of the endpoint itself", () => {
		assert.equal(strayOf([[web(cluster)]], ["rst"]), "pass");
		assert.equal(strayOf([[web(cluster)]], ["syn", "ack"]), "pass");
	});

	it("passes where no hash chooses, and when the front has left", () => {
		assert.equal(strayOf([[web(cluster, { scheduler: "random" })]]), "pass");
		assert.equal(strayOf([[web(cluster)], []]), "pass");
	});
});
