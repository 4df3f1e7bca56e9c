import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Balancer } from "../balancer.ts";
import type { NodeFacts } from "../node-facts.ts";
import { nodeA, planOf, written } from "./plan.testing.ts";
import { type Connection, type Trace, traceConnection } from "./trace-connection.ts";

const here = "{addresses: [10.244.1.5], nodeName: a}";
const there = "{addresses: [10.244.2.5], nodeName: b}";

const shop = planOf(
	written({
		spec: "type: LoadBalancer\nexternalTrafficPolicy: Local\nloadBalancerSourceRanges: [198.51.100.0/24, 10.244.0.0/16, 192.0.2.0/24]",
		ports: "[{name: http, port: 80, nodePort: 30080}]",
		status: "{loadBalancer: {ingress: [{ip: 203.0.113.7}]}}",
		endpoints: [here, there],
	}),
);

function trace(connection: Partial<Connection>, balancers: Iterable<Balancer> = shop, node: NodeFacts = nodeA): Trace {
	const usual: Connection = {
		source: "198.51.100.9",
		destination: "203.0.113.7",
		port: 80,
		protocol: "tcp",
		from: "outside",
	};
	return traceConnection(balancers, node, { ...usual, ...connection });
}

const said = (connection: Partial<Connection>, balancers?: Iterable<Balancer>): readonly string[] =>
	trace(connection, balancers).sentences;

describe("the trace of a connection", () => {
	it("from outside to a Local load balancer names the endpoint of this node and the client's own source", () => {
		assert.deepEqual(said({}), [
			"shop/web:http has 203.0.113.7:80/tcp (load balancer).",
			"The client is outside, so externalTrafficPolicy Local counts: only endpoints of this node.",
			"Only 10.244.1.5:8080 here can answer.",
			"The backend sees 198.51.100.9.",
		]);
	});

	it("of a pod to a Local load balancer names all endpoints, and the hairpin", () => {
		const found = trace({ source: "10.244.1.5", from: "pod" });
		assert.deepEqual(found.sentences.slice(1), [
			"A pod asks, so externalTrafficPolicy Local does not count: as if it came back from a load balancer.",
			"One of 2 answers, chosen by random: 10.244.1.5:8080 here, 10.244.2.5:8080.",
			"The backend sees 10.244.1.5.",
			"If it comes back to 10.244.1.5 itself, that sees the node's address: a hairpin.",
		]);
		assert.deepEqual(
			found.backends.map(({ backend, source }) => [backend.address, source]),
			[
				["10.244.1.5", "node"],
				["10.244.2.5", "client"],
			],
		);
		assert.equal(found.side, "inside");
	});

	it("of the node itself says that the node's address is seen", () => {
		const sentences = said({ source: "192.0.2.1", from: "node" });
		assert.match(sentences[1] ?? "", /^The node itself asks/);
		assert.equal(sentences.at(-1), "The backend sees the node's address: the client is no pod of this cluster.");
	});

	it("says why a source is not let in", () => {
		const found = trace({ source: "192.0.3.1" });
		assert.equal(found.outcome, "dropped");
		assert.equal(
			found.sentences[1],
			"192.0.3.1 is in none of its source ranges (198.51.100.0/24, 10.244.0.0/16, 192.0.2.0/24, 203.0.113.7/32): dropped.",
		);
	});

	it("to a node port finds it at the node's addresses only, whatever the ranges", () => {
		assert.equal(trace({ source: "192.0.3.1", destination: "192.0.2.1", port: 30_080 }).outcome, "balanced");
		assert.equal(trace({ destination: "192.0.2.2", port: 30_080 }).outcome, "untouched");
	});

	it("to an unknown port of a cluster address is refused, of a load balancer's is left alone", () => {
		assert.deepEqual(said({ destination: "10.96.0.10", port: 81 }), [
			"10.96.0.10 is a cluster address with 80/tcp only: other ports are refused.",
		]);
		assert.deepEqual(said({ port: 81 }), [
			"203.0.113.7 has rules only for 80/tcp: the connection goes where the routes lead.",
		]);
	});

	it("to an address of nobody is left alone, and so is one between two families", () => {
		assert.match(said({ destination: "203.0.113.8" })[0] ?? "", /^No Service has 203.0.113.8/);
		assert.equal(trace({ destination: "2001:db8::7" }).outcome, "untouched");
		assert.equal(trace({ source: "nobody" }).outcome, "untouched");
	});

	it("says where endpoints are missing", () => {
		const spec = "internalTrafficPolicy: Local";
		const to = { destination: "10.96.0.10" };
		assert.equal(
			said(to, planOf(written({ spec, endpoints: [there] })))[1],
			"Its endpoints are all on other nodes: dropped.",
		);
		assert.equal(said(to, planOf(written({ spec })))[1], "It has no endpoint that could answer: refused.");
	});

	it("says whom an affinity leads to", () => {
		const balancers = planOf(written({ spec: "sessionAffinity: ClientIP", endpoints: [here, there] }));
		assert.match(
			said({ destination: "10.96.0.10" }, balancers)[1] ?? "",
			/a client that came within 10800 s gets the same/,
		);
	});

	it("takes a pod by the interface it came from, where that is how pods are known", () => {
		const node: NodeFacts = { ...nodeA, localTraffic: { type: "interface", name: "cni0", isPrefix: false } };
		assert.equal(trace({ source: "10.244.1.5", from: "pod" }, shop, node).side, "inside");
		assert.equal(trace({ source: "10.244.1.5", from: "outside" }, shop, node).side, "outside");
	});

	it("says who of two Services with the same address answers, and who does not", () => {
		const [, balancer] = shop;
		assert.ok(balancer);
		const other = { ...balancer, owner: "shop/web-2:http" };
		for (const both of [
			[other, balancer],
			[balancer, other],
		]) {
			const found = trace({}, both);
			assert.equal(found.balancer?.owner, "shop/web:http");
			assert.equal(
				found.sentences[1],
				"shop/web-2:http has it too, and gets nothing: cluster addresses come before load balancers', those before external ones, then names.",
			);
		}
	});

	it("asks for marks first, then for the port, and last for all ports of an address", () => {
		const usual = { protocol: "tcp", scheduler: "rr", outside: { type: "drop" } } as const;
		const front = { family: "ipv4", type: "virtualServer", address: "203.0.113.9" } as const;
		const all: Balancer = { ...usual, owner: "all", front, port: 0 };
		const one: Balancer = { ...usual, owner: "one", front, port: 80 };
		const marked: Balancer = { ...usual, owner: "marked", front: { family: "ipv4", type: "mark", mark: 7 }, port: 0 };
		const balancers = [all, one, marked];
		const to = { destination: "203.0.113.9" };
		assert.equal(trace({ ...to, port: 80 }, balancers).balancer?.owner, "one");
		assert.equal(trace({ ...to, port: 81 }, balancers).balancer?.owner, "all");
		assert.equal(trace({ ...to, port: 80, mark: 7 }, balancers).balancer?.owner, "marked");
		assert.equal(trace({ ...to, port: 80, protocol: "udp" }, balancers).outcome, "untouched");
	});

	it("of a virtual server takes every port where it has none, and passes over backends that get nothing new", () => {
		const backend = { address: "10.0.0.1", port: 0, local: false, forwarding: { method: "DR" } } as const;
		const server: Balancer = {
			owner: "virtual_server 203.0.113.9 0",
			front: { family: "ipv4", type: "virtualServer", address: "203.0.113.9" },
			protocol: "tcp",
			port: 0,
			scheduler: "wrr",
			outside: {
				type: "balance",
				masquerade: "never",
				backends: [
					{ ...backend, weight: 3 },
					{ ...backend, address: "10.0.0.2", weight: 0 },
				],
			},
		};
		assert.deepEqual(said({ destination: "203.0.113.9", port: 4711 }, [server]), [
			"virtual_server 203.0.113.9 0 has 203.0.113.9:*/tcp (virtual server).",
			"Only 10.0.0.1:0 weight 3 by direct routing can answer.",
			"The backend sees 198.51.100.9.",
		]);
	});
});
