// What each field of a Service means to a connection: one sentence for each, with the plan of node a as people read it.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NodeFacts } from "../node-facts.ts";
import { nodeA, planOf, pool, serviceOf, slice, type Written, written } from "./plan.testing.ts";
import { renderBalancers } from "./render-balancers.ts";

const here = "{addresses: [10.244.1.5], nodeName: a}";
const there = "{addresses: [10.244.2.5], nodeName: b}";
const leavingHere =
	"{addresses: [10.244.1.7], nodeName: a, conditions: {ready: false, serving: true, terminating: true}}";
const leavingThere =
	"{addresses: [10.244.2.7], nodeName: b, conditions: {ready: false, serving: true, terminating: true}}";
const local = "type: LoadBalancer\nexternalTrafficPolicy: Local";
const balanced = "{loadBalancer: {ingress: [{ip: 203.0.113.7}]}}";

/** Lines of the plan, without what each line repeats. */
function plan(parts: Written, node: Partial<NodeFacts> = {}): readonly string[] {
	return renderBalancers(planOf(written(parts), { ...nodeA, families: ["ipv4"], ...node }))
		.trimEnd()
		.split("\n")
		.map((line) => line.replace("shop/web:http ", ""));
}

describe("the addresses of a Service", () => {
	it("are its cluster address, those of load balancers, external ones and its node port", () => {
		const parts = {
			spec: "type: LoadBalancer\nexternalIPs: [198.51.100.7]",
			ports: "[{name: http, port: 80, nodePort: 30080}]",
			status: balanced,
			endpoints: [here],
		};
		assert.deepEqual(plan(parts), [
			"10.96.0.10:80/tcp (cluster): random",
			"  node's source unless the client is a pod",
			"    10.244.1.5:8080 here",
			"203.0.113.7:80/tcp (load balancer): random",
			"  node's source",
			"    10.244.1.5:8080 here",
			"198.51.100.7:80/tcp (external): random",
			"  node's source",
			"    10.244.1.5:8080 here",
			"node port 30080/tcp (ipv4): random",
			"  node's source",
			"    10.244.1.5:8080 here",
		]);
	});

	it("of a load balancer that is its own proxy are left to it", () => {
		const status = "{loadBalancer: {ingress: [{ip: 203.0.113.7, ipMode: Proxy}, {hostname: lb.example}]}}";
		assert.equal(plan({ spec: "type: LoadBalancer", status, endpoints: [here] }).length, 3);
	});

	it("that are external and a load balancer's at once have one rule, the load balancer's", () => {
		const spec = "type: LoadBalancer\nexternalIPs: [203.0.113.7]\nloadBalancerSourceRanges: [192.0.2.128/25]";
		const fronts = planOf(written({ spec, status: balanced, endpoints: [here] })).map(({ front }) => front.type);
		assert.deepEqual(fronts, ["clusterIP", "loadBalancerIP"]);
	});

	it("are none for a headless Service, an ExternalName, and one of another proxy", () => {
		assert.equal(serviceOf(written({ spec: "clusterIP: None" })), undefined);
		assert.equal(serviceOf(written({ spec: "type: ExternalName\nexternalName: a.example" })), undefined);
		const metadata = ", labels: {service.kubernetes.io/service-proxy-name: other}";
		assert.equal(serviceOf(written({ metadata })), undefined);
	});

	it("are those outside alone when no API server gave it a cluster address", () => {
		const spec = 'clusterIP: ""\nexternalIPs: [198.51.100.7, "2001:db8::7"]';
		const fronts = planOf(written({ spec, endpoints: [here] })).map(({ front }) =>
			"address" in front ? front.address : "",
		);
		assert.deepEqual(fronts, ["198.51.100.7", "2001:db8::7"]);
	});
});

describe("the ports of a Service", () => {
	it("may be of TCP, UDP and SCTP, each with the endpoints of its own protocol", () => {
		const ports = "[{name: a, port: 53}, {name: b, port: 53, protocol: UDP}, {name: c, port: 53, protocol: SCTP}]";
		const slicePorts = "[{name: a, port: 1}, {name: b, port: 2, protocol: UDP}, {name: c, port: 3}]";
		const more = slice("web-2", [here], { ports: slicePorts });
		assert.deepEqual(
			planOf(written({ ports, more }), { ...nodeA, families: ["ipv4"] }).map(({ owner, protocol, outside }) => [
				owner,
				protocol,
				outside.type === "balance" ? outside.backends[0]?.port : outside.type,
			]),
			[
				["shop/web:a", "tcp", 1],
				["shop/web:b", "udp", 2],
				["shop/web:c", "sctp", "reject"],
			],
		);
	});

	it("are named without a colon when there is only one, nameless", () => {
		const parts = { ports: "[{port: 80}]", more: slice("web-2", [here], { ports: "[{port: 8080}]" }) };
		assert.equal(planOf(written(parts))[0]?.owner, "shop/web");
	});

	it("lead to another number in each slice when the target port is a name", () => {
		const more = slice("web-2", ["{addresses: [10.244.1.5]}"], { ports: "[{name: http, port: 9090}]" });
		assert.deepEqual(pool([here], { more }), ["10.244.1.5:8080", "10.244.1.5:9090"]);
	});
});

describe("policies", () => {
	it("externalTrafficPolicy Local sends the outside to endpoints of this node and keeps its source; those inside get all", () => {
		assert.deepEqual(plan({ spec: local, status: balanced, endpoints: [here, there] }).slice(4), [
			"203.0.113.7:80/tcp (load balancer): random",
			"  outside: client's source kept",
			"    10.244.1.5:8080 here",
			"  inside: node's source unless the client is a pod",
			"    10.244.1.5:8080 here",
			"    10.244.2.5:8080",
		]);
	});

	it("externalTrafficPolicy Local drops the outside where this node has no endpoint", () => {
		assert.deepEqual(plan({ spec: local, status: balanced, endpoints: [there] }).slice(3), [
			"203.0.113.7:80/tcp (load balancer): random",
			"  outside: dropped: endpoints only on other nodes",
			"  inside: node's source unless the client is a pod",
			"    10.244.2.5:8080",
		]);
	});

	it("externalTrafficPolicy Local refuses everybody where nobody has an endpoint", () => {
		assert.deepEqual(plan({ spec: local, status: balanced }).slice(2), [
			"203.0.113.7:80/tcp (load balancer): random",
			"  refused: no endpoint",
		]);
	});

	it("Local falls back to leaving endpoints of this node while others are ready elsewhere", () => {
		const [, balancer] = planOf(
			written({ spec: local, status: balanced, endpoints: [leavingHere, leavingThere, there] }),
		);
		assert.ok(balancer?.outside.type === "balance" && balancer.inside?.type === "balance");
		assert.deepEqual(
			balancer.outside.backends.map(({ address }) => address),
			["10.244.1.7"],
		);
		assert.deepEqual(
			balancer.inside.backends.map(({ address }) => address),
			["10.244.2.5"],
		);
	});

	it("externalTrafficPolicy does nothing where only the cluster can come in", () => {
		assert.equal(serviceOf(written({ spec: "externalTrafficPolicy: Local" }))?.externalPolicy, "Cluster");
	});

	it("internalTrafficPolicy Local keeps the cluster address on this node, and drops where it has nobody", () => {
		const spec = "internalTrafficPolicy: Local";
		assert.deepEqual(pool([here, there], { spec }), ["10.244.1.5:8080"]);
		assert.deepEqual(pool([there], { spec }), ["drop"]);
		assert.deepEqual(pool([], { spec }), ["reject"]);
	});

	it("internalTrafficPolicy does not touch the other addresses", () => {
		const spec = "type: NodePort\ninternalTrafficPolicy: Local";
		const ports = "[{name: http, port: 80, nodePort: 30080}]";
		const [cluster, nodePort] = planOf(written({ spec, ports, endpoints: [there] }), { ...nodeA, families: ["ipv4"] });
		assert.equal(cluster?.outside.type, "drop");
		assert.equal(nodePort?.outside.type, "balance");
	});
});

describe("whose source is hidden", () => {
	const masquerades = (parts: Written, node: Partial<NodeFacts>): readonly string[] =>
		planOf(written({ ...parts, endpoints: [here] }), { ...nodeA, families: ["ipv4"], ...node }).flatMap(
			({ outside, inside }) =>
				[outside, inside].flatMap((answer) => (answer?.type === "balance" ? answer.masquerade : [])),
		);
	const noPods: NodeFacts = { ...nodeA };
	delete (noPods as { localTraffic?: unknown }).localTraffic;

	it("nobody's at a cluster address when pods cannot be told from others", () => {
		const [first] = planOf(written({ endpoints: [here] }), noPods);
		assert.equal(first?.outside.type === "balance" && first.outside.masquerade, "never");
	});

	it("everybody's at cluster addresses with masqueradeAll", () => {
		assert.deepEqual(masquerades({}, { masqueradeAll: true }), ["always"]);
	});

	it("nobody's in a family that has no range of pods", () => {
		assert.deepEqual(masquerades({}, { localTraffic: { type: "ranges", ranges: ["fd00::/8"] } }), ["never"]);
	});

	it("the node's own at a load balancer's address, which it may have itself, when pods cannot be told", () => {
		const [, balancer] = planOf(written({ spec: local, status: balanced, endpoints: [here] }), noPods);
		assert.equal(balancer?.inside?.type === "balance" && balancer.inside.masquerade, "always");
	});
});

describe("source ranges", () => {
	const ranges = (list: string, node: Partial<NodeFacts> = {}, status = balanced): unknown =>
		planOf(
			written({ spec: `type: LoadBalancer\nloadBalancerSourceRanges: ${list}`, ports, status, endpoints: [here] }),
			{
				...nodeA,
				families: ["ipv4"],
				...node,
			},
		).map(({ sourceRanges }) => sourceRanges);
	const ports = "[{name: http, port: 80, nodePort: 30080}]";

	it("close a load balancer's addresses, and neither the cluster's nor node ports", () => {
		assert.deepEqual(ranges('[" 198.51.100.7/24 "]'), [undefined, ["198.51.100.0/24"], undefined]);
	});

	it("let everybody in when one of them is everything, or when none is of that family", () => {
		assert.deepEqual(ranges("[10.0.0.0/8, 0.0.0.0/0]"), [undefined, undefined, undefined]);
		assert.deepEqual(ranges('["2001:db8::/32"]'), [undefined, undefined, undefined]);
	});

	it("that hold the node's own address also let in the load balancer's, from which the node may come", () => {
		assert.deepEqual(ranges("[192.0.2.0/24]"), [undefined, ["192.0.2.0/24", "203.0.113.7/32"], undefined]);
		assert.deepEqual(ranges("[192.0.2.0/24]", { nodeAddresses: ["198.51.100.1"] }), [
			undefined,
			["192.0.2.0/24"],
			undefined,
		]);
	});
});

describe("what else a Service says", () => {
	it("a client keeps its backend for three hours, or as long as it says", () => {
		assert.deepEqual(planOf(written({ spec: "sessionAffinity: ClientIP" }))[0]?.affinity, { timeoutSec: 10_800 });
		const spec = "sessionAffinity: ClientIP\nsessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}";
		assert.deepEqual(planOf(written({ spec }))[0]?.affinity, { timeoutSec: 60 });
		assert.equal(planOf(written({}))[0]?.affinity, undefined);
	});

	it("its annotations choose the scheduler and the backend, else the node does", () => {
		const metadata = ", annotations: {keepmesh.io/l4-scheduler: maglev, keepmesh.io/l4-backend: ipvs}";
		assert.equal(planOf(written({ metadata }))[0]?.scheduler, "maglev");
		assert.equal(serviceOf(written({ metadata }))?.backend, "ipvs");
		assert.equal(planOf(written({}), { ...nodeA, scheduler: "rr" })[0]?.scheduler, "rr");
	});

	it("its health-check port counts only for a load balancer that keeps to the node", () => {
		const port = "\nhealthCheckNodePort: 32000";
		assert.equal(serviceOf(written({ spec: local + port }))?.healthCheckNodePort, 32_000);
		assert.equal(
			serviceOf(written({ spec: `type: NodePort\nexternalTrafficPolicy: Local${port}` }))?.healthCheckNodePort,
			undefined,
		);
		assert.equal(serviceOf(written({ spec: `type: LoadBalancer${port}` }))?.healthCheckNodePort, undefined);
	});
});

describe("both families", () => {
	const spec = 'clusterIP: 10.96.0.10\nclusterIPs: [10.96.0.10, "FD00:96:0::10"]\nipFamilies: [IPv4, IPv6]';
	const six = slice("web-6", ['{addresses: ["fd00:244::5"], nodeName: a}'], { type: "IPv6" });

	it("each have their own addresses, endpoints and node port", () => {
		const ports = "[{name: http, port: 80, nodePort: 30080}]";
		assert.deepEqual(
			plan({ spec: `type: NodePort\n${spec}`, ports, endpoints: [here], more: six }, { families: ["ipv4", "ipv6"] }),
			[
				"10.96.0.10:80/tcp (cluster): random",
				"  node's source unless the client is a pod",
				"    10.244.1.5:8080 here",
				"node port 30080/tcp (ipv4): random",
				"  node's source",
				"    10.244.1.5:8080 here",
				"[fd00:96::10]:80/tcp (cluster): random",
				"  node's source unless the client is a pod",
				"    [fd00:244::5]:8080 here",
				"node port 30080/tcp (ipv6): random",
				"  node's source",
				"    [fd00:244::5]:8080 here",
			],
		);
	});

	it("refuse each for itself", () => {
		const [, second] = planOf(written({ spec, endpoints: [here] }));
		assert.deepEqual(second?.outside, { type: "reject" });
	});

	it("have rules only where the Service has a cluster address of that family", () => {
		const parts = { spec: 'externalIPs: ["2001:db8::7"]', endpoints: [here], more: six };
		assert.deepEqual(
			planOf(written(parts)).map(({ front }) => front.family),
			["ipv4"],
		);
	});
});

describe("equal lists of backends", () => {
	it("are one object at all addresses of a port", () => {
		const spec = "type: LoadBalancer\nexternalIPs: [198.51.100.7]";
		const plans = planOf(written({ spec, status: balanced, endpoints: [here, there] }));
		const lists = new Set(plans.map(({ outside }) => outside.type === "balance" && outside.backends));
		assert.equal(plans.length, 3);
		assert.equal(lists.size, 1);
	});

	it("are one object also inside and outside, when all endpoints are here", () => {
		const [cluster, balancer] = planOf(written({ spec: local, status: balanced, endpoints: [here] }));
		assert.ok(cluster?.outside.type === "balance" && balancer?.outside.type === "balance");
		assert.equal(balancer.outside.backends, cluster.outside.backends);
	});
});
