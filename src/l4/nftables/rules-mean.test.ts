import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import type { Answer, Balancer, IpFamily } from "../balancer.ts";
import type { NodeFacts } from "../node-facts.ts";
import { followPacket, type Packet } from "./follow-packet.testing.ts";
import { NftablesPlan } from "./nftables-plan.ts";
import { randomBalancers } from "./random-balancers.testing.ts";

const podsByRange: NodeFacts = {
	name: "n1",
	families: ["ipv4", "ipv6"],
	nodePortAddresses: ["192.0.2.1", "2001:db8::1"],
	localTraffic: { type: "ranges", ranges: ["10.244.0.0/16", "fd44::/64"] },
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
};
const podsByInterface: NodeFacts = {
	...podsByRange,
	localTraffic: { type: "interface", name: "veth", isPrefix: true },
	masqueradeBit: 31,
};
const podsUnknown: NodeFacts = { ...podsByRange, localTraffic: undefined, masqueradeAll: true };

describe("the rules of random balancers", () => {
	for (const [name, node] of Object.entries({ podsByRange, podsByInterface, podsUnknown }))
		it(`do with every connection what the balancers say (${name})`, () => {
			const random = seededRandom(name.length);
			let answered = 0;
			for (let round = 0; round < 400; round++) {
				const plan = new NftablesPlan(node);
				const owners = ["ns/a", "ns/b", "ns/c"].map(
					(owner) =>
						[
							owner,
							randomBalancers(owner, random, { schedulers: ["random", "rr", "wrr", "sh", "lc"] }).map(usualSpelling),
						] as const,
				);
				for (const [owner, balancers] of owners.toReversed()) plan.set(owner, balancers);
				// In the order of their claims.
				const late = ["loadBalancerIP", "externalIP"];
				const balancers = owners
					.flatMap(([, ofOwner]) => ofOwner)
					.sort((a, b) => late.indexOf(a.front.type) - late.indexOf(b.front.type));
				const tables = plan.ruleset();
				for (let each = 0; each < 40; each++) {
					const packet = randomPacket(random);
					const family = packet.source.includes(":") ? "ipv6" : "ipv4";
					const table = tables.find((one) => one.table.family === (family === "ipv6" ? "ip6" : "ip"));
					assert.ok(table);
					const expected = whatShouldBe(balancers, node, family, packet);
					assert.deepEqual(
						followPacket(table, packet),
						expected,
						`${JSON.stringify(packet)}\n${JSON.stringify(balancers, undefined, 1)}`,
					);
					if (expected[0] !== "pass") answered += 1;
				}
			}
			assert.ok(answered > 1000, `only ${answered} packets met a balancer`);
		});
});

/** Said again without rules: who should answer, from the balancers alone. */
function whatShouldBe(
	balancers: readonly Balancer[],
	node: NodeFacts,
	family: IpFamily,
	packet: Packet,
): readonly string[] {
	const matching = balancers.filter((balancer) => concerns(balancer, node, family, packet));
	const perRank = [0, 1, 2, 3, 4].flatMap((rank) => matching.find((balancer) => rankOf(balancer) === rank) ?? []);
	if (
		perRank.some(
			({ sourceRanges }) => sourceRanges !== undefined && !sourceRanges.some((range) => inRange(packet.source, range)),
		)
	)
		return ["drop"];
	const front = perRank[0];
	if (front === undefined) {
		const isCluster = balancers.some(
			(balancer) =>
				balancer.front.type === "clusterIP" &&
				balancer.front.address === packet.destination &&
				answers(balancers, balancer),
		);
		return isCluster ? ["reject"] : ["pass"];
	}
	const fromPod = isFromPod(node, packet);
	const answer: Answer = ((packet.hook === "output" || fromPod) && front.inside) || front.outside;
	if (answer.type !== "balance") return [answer.type];
	const able = answer.backends.filter(
		({ weight, address }) => weight > 0 && address.includes(":") === (family === "ipv6"),
	);
	if (able.length === 0) return ["reject"];
	const hidden =
		answer.masquerade === "always" ||
		(node.masqueradeAll && front.front.type === "clusterIP") ||
		(answer.masquerade === "fromOutsideCluster" && node.localTraffic !== undefined && !fromPod);
	// Any front's local backend that is reached from itself is masqueraded.
	const localBackends = new Set(
		balancers
			.filter((balancer) => answers(balancers, balancer))
			.flatMap(({ outside, inside }) => [outside, inside])
			.flatMap((each) => (each?.type === "balance" ? each.backends : []))
			.filter(({ local, weight, address }) => local && weight > 0 && address.includes(":") === (family === "ipv6"))
			.map(({ address }) => address),
	);
	const outcomes = able.map(({ address, port }) => {
		const masqueraded = hidden || (address === packet.source && localBackends.has(address));
		return `${address} ${port === 0 ? packet.port : port}${masqueraded ? " masqueraded" : ""}`;
	});
	return [...new Set(outcomes)].sort();
}

/** Not beaten by an earlier one with the same address, protocol and port. */
function answers(balancers: readonly Balancer[], balancer: Balancer): boolean {
	const same = (other: Balancer): boolean =>
		other.protocol === balancer.protocol &&
		other.port === balancer.port &&
		other.front.family === balancer.front.family &&
		rankOf(other) === rankOf(balancer) &&
		JSON.stringify({ ...other.front, type: "" }) === JSON.stringify({ ...balancer.front, type: "" });
	return balancers.find(same) === balancer;
}

function concerns(balancer: Balancer, node: NodeFacts, family: IpFamily, packet: Packet): boolean {
	const { front, protocol, port } = balancer;
	if (front.family !== family || protocol !== packet.protocol) return false;
	if (port !== 0 && port !== packet.port) return false;
	if (front.type === "mark") return front.mark === packet.mark;
	return front.type === "nodePort"
		? node.nodePortAddresses.includes(packet.destination)
		: front.address === packet.destination;
}

function rankOf({ front, port }: Balancer): number {
	if (front.type === "mark") return port === 0 ? 1 : 0;
	if (front.type === "nodePort") return 4;
	return port === 0 ? 3 : 2;
}

function isFromPod({ localTraffic: local }: NodeFacts, packet: Packet): boolean {
	if (local === undefined) return false;
	if (local.type === "interface") return packet.hook === "prerouting" && packet.interface.startsWith(local.name);
	return local.ranges.some((range) => inRange(packet.source, range));
}

/** Good for the ranges of these tests alone. */
function inRange(address: string, range: string): boolean {
	const prefixes: Record<string, RegExp> = {
		"10.0.0.0/8": /^10\./,
		"10.1.0.0/16": /^10\.1\./,
		"10.0.0.0/7": /^1[01]\./,
		"10.2.3.4/16": /^10\.2\./,
		"192.0.2.7/32": /^192\.0\.2\.7$/,
		"0.0.0.0/0": /./,
		"fd00::/8": /^fd/,
		"fd01::/16": /^fd01:/,
		"2001:db8::1/128": /^2001:db8::1$/,
		"10.244.0.0/16": /^10\.244\./,
		"fd44::/64": /^fd44::/,
	};
	const prefix = prefixes[range];
	assert.ok(prefix, range);
	return prefix.test(address);
}

function usualSpelling(balancer: Balancer): Balancer {
	const { front } = balancer;
	return "address" in front
		? { ...balancer, front: { ...front, address: front.address.replace("FD96:0:0::", "fd96::") } }
		: balancer;
}

function randomPacket(random: () => number): Packet {
	const one = (...values: readonly string[]): string => values[Math.floor(random() * values.length)] ?? "";
	const isIpv6 = random() < 0.5;
	const protocol = random();
	return {
		hook: random() < 0.3 ? "output" : "prerouting",
		interface: one("eth0", "veth12"),
		source: isIpv6
			? one("fd44::1", "fd44::9", "fd01::5", "2001:db8::1", "2001:db8::9")
			: one("10.244.0.1", "10.244.0.99", "10.1.2.3", "11.0.0.1", "192.0.2.7", "203.0.113.9"),
		destination: isIpv6
			? one("fd96::1", "fd96::2", "fd96::3", "fd96::4", "2001:db8::1")
			: one("10.96.0.1", "10.96.0.2", "10.96.0.3", "10.96.0.4", "192.0.2.1"),
		protocol: protocol < 0.4 ? "tcp" : protocol < 0.7 ? "udp" : "sctp",
		sourcePort: 40000,
		port: 80 + Math.floor(random() * 3),
		mark: Math.floor(random() * 3),
	};
}
