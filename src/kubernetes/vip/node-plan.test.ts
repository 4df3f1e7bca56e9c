// What each node of a cluster holds.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseKeepalivedConf } from "../../vip/keepalived-conf/parse-keepalived-conf.ts";
import type { InstanceConfig } from "../../vip/vip-config.ts";
import { clusterOf, factsOf, node, pool, service, slice, threeNodes, virtualIp } from "./cluster.testing.ts";
import { type ClusterState, type NodePlan, type NodePlanInput, planNode } from "./node-plan.ts";

const ownNamespace = "keepmesh-system";

function planFor(nodeName: string, parts: Partial<ClusterState>, more: Partial<NodePlanInput> = {}): NodePlan {
	return planNode({ cluster: clusterOf(parts), fileVirtualIps: [], facts: factsOf(nodeName), ownNamespace, ...more });
}

function instanceOf(nodeName: string, parts: Partial<ClusterState>): InstanceConfig {
	const { config, problems } = planFor(nodeName, parts);
	assert.deepEqual(problems, []);
	const [instance] = config.instances;
	assert.ok(instance);
	return instance;
}

const web = virtualIp("web", "{addresses: [10.88.0.100/24], virtualRouterId: 51}");

describe("a VirtualIP of a cluster", () => {
	it("is held by any node, which speak unicast to each other from their own addresses", () => {
		const { transport, interface: link, priority } = instanceOf("n2", { virtualIps: [web] });
		assert.deepEqual(transport, {
			type: "unicast",
			source: "10.88.0.12",
			peers: [{ address: "10.88.0.11" }, { address: "10.88.0.13" }],
			ttl: 255,
			checkSource: true,
		});
		assert.deepEqual([link, priority], ["eth0", 100]);
	});

	it("is held by nodes with its labels and those that it names, with their priorities", () => {
		const nodes = [node("n1", "10.88.0.11", {}, { role: "edge" }), node("n2", "10.88.0.12"), node("n3", "10.88.0.13")];
		const some = virtualIp(
			"web",
			"{addresses: [10.88.0.100/24], virtualRouterId: 51, nodeSelector: {role: edge}, nodes: [{node: n3, priority: 150}]}",
		);
		const parts = { nodes, virtualIps: [some] };
		assert.equal(instanceOf("n3", parts).priority, 150);
		assert.deepEqual(instanceOf("n1", parts).transport, {
			type: "unicast",
			source: "10.88.0.11",
			peers: [{ address: "10.88.0.13" }],
			ttl: 255,
			checkSource: true,
		});
		assert.deepEqual(planFor("n2", parts).config.instances, []);
	});

	it("keeps its multicast", () => {
		const spoken = virtualIp("web", "{addresses: [10.88.0.100/24], virtualRouterId: 51, transport: {type: multicast}}");
		assert.deepEqual(instanceOf("n1", { virtualIps: [spoken] }).transport, { type: "multicast", group: "224.0.0.18" });
	});

	it("may name programs and files of the nodes in Keepmesh's own namespace only", () => {
		const spec =
			"{addresses: [10.88.0.100/24], virtualRouterId: 51, notify: {master: [/bin/true]}, checks: [{name: a, script: {command: [/bin/true]}}]}";
		const { config, problems } = planFor("n1", { virtualIps: [virtualIp("web", spec, "team")] });
		assert.deepEqual(config.instances, []);
		assert.deepEqual(
			problems.map(({ resource, path }) => `${resource} ${path}`),
			["VirtualIP team/web spec.notify", "VirtualIP team/web spec.checks[0].script"],
		);
		assert.equal(planFor("n1", { virtualIps: [virtualIp("web", spec)] }).config.instances.length, 1);
	});

	it("has its namespace in its name where two have the same", () => {
		const other = virtualIp("web", "{addresses: [10.88.0.101/24], virtualRouterId: 52}", "team");
		const { config, virtualIps } = planFor("n1", { virtualIps: [web, other] });
		assert.deepEqual(
			config.instances.map(({ name }) => name),
			["keepmesh-system/web", "team/web"],
		);
		assert.deepEqual(virtualIps.get("team/web"), { namespace: "team", name: "web" });
	});
});

describe("a Service of type LoadBalancer", () => {
	const edge = pool("edge", "{addresses: [10.88.0.100-10.88.0.120]}");
	const given = (name: string, address: string, spec: object = {}) =>
		service(name, spec, { "keepmesh.io/allocated-ips": address });
	const holders = (parts: Partial<ClusterState>) =>
		["n1", "n2", "n3"].filter((name) => planFor(name, parts).config.instances.length > 0);

	it("has a virtual router of its own, on every node, with one order of the nodes", () => {
		const services = [given("a", "10.88.0.100")];
		const parts = { pools: [edge], services };
		const all = ["n1", "n2", "n3"].map((name) => instanceOf(name, parts));
		assert.deepEqual(all.map(({ priority }) => priority).sort(), [198, 199, 200]);
		assert.deepEqual(all[0]?.addresses, [{ address: "10.88.0.100", prefixLength: 32 }]);
		assert.deepEqual(new Set(all.map(({ name, virtualRouterId }) => `${name} ${virtualRouterId}`)).size, 1);
		assert.deepEqual([...planFor("n1", parts).services], [["default/a", ["default/a"]]]);
	});

	it("is spread over the nodes, and the order of the others stays when one comes", () => {
		const services = Array.from({ length: 21 }, (_, at) => given(`s${at}`, `10.88.0.${100 + at}`));
		const firsts = (names: readonly string[]) => {
			const parts = { pools: [edge], services, nodes: threeNodes.filter(({ name }) => names.includes(name)) };
			const best = new Map<string, { name: string; priority: number }>();
			for (const name of names)
				for (const { name: of, priority } of planFor(name, parts).config.instances)
					if (priority > (best.get(of)?.priority ?? 0)) best.set(of, { name, priority });
			return best;
		};
		const two = firsts(["n1", "n2"]);
		const three = firsts(["n1", "n2", "n3"]);
		for (const name of ["n1", "n2", "n3"])
			assert.ok([...three.values()].filter((one) => one.name === name).length >= 3);
		for (const [of, { name }] of three) assert.ok(name === "n3" || name === two.get(of)?.name, of);
	});

	it("leaves a cordoned node, and never comes to one that load balancers exclude", () => {
		const nodes = [
			node("n1", "10.88.0.11", { unschedulable: true }),
			node("n2", "10.88.0.12", {}, { "node.kubernetes.io/exclude-from-external-load-balancers": "" }),
			node("n3", "10.88.0.13"),
		];
		const parts = { pools: [edge], nodes, services: [given("a", "10.88.0.100")] };
		assert.deepEqual([instanceOf("n1", parts).priority, instanceOf("n3", parts).priority], [99, 200]);
		assert.deepEqual(holders(parts), ["n1", "n3"]);
	});

	it("with externalTrafficPolicy Local is held where it has ready endpoints, and where they end while none is ready", () => {
		const services = [given("a", "10.88.0.100", { externalTrafficPolicy: "Local" })];
		const at = (...endpoints: readonly string[]) =>
			holders({ pools: [edge], services, endpoints: [slice("a", ...endpoints), slice("b", "n3")] });
		assert.deepEqual(at("n1", "n2:not-ready"), ["n1"]);
		assert.deepEqual(at("n1:ending", "n2"), ["n2"]);
		assert.deepEqual(at("n1:ending", "n2:not-ready"), ["n1"]);
		assert.deepEqual(at(), []);
	});

	it("shares a virtual router when VRIDs are used up", () => {
		const few = pool("edge", "{addresses: [10.88.0.100-10.88.0.120], virtualRouterIds: {from: 9, to: 9}}");
		const services = [given("a", "10.88.0.100"), given("b", "10.88.0.101")];
		const parts = { pools: [few], services };
		const { name, addresses } = instanceOf("n1", parts);
		assert.deepEqual([name, addresses.length], ["default/a,default/b", 2]);
		assert.deepEqual([...planFor("n1", parts).services.values()], [["default/a", "default/b"]]);
	});

	it("of both families has a virtual router in each", () => {
		const both = pool("edge", "{addresses: [10.88.0.100, 'fd00::100']}");
		const services = [given("a", "10.88.0.100,fd00::100", { ipFamilies: ["IPv4", "IPv6"] })];
		const { config, services: of } = planFor("n1", { pools: [both], services });
		assert.deepEqual(
			config.instances.map(({ name, family }) => `${name} ${family}`),
			["default/a ipv4", "default/a (IPv6) ipv6"],
		);
		assert.deepEqual(of.get("default/a (IPv6)"), ["default/a"]);
	});

	it("at an address of a VirtualIP belongs to that one's virtual router", () => {
		const services = [given("a", "10.88.0.100", { loadBalancerIP: "10.88.0.100" })];
		const { config, services: of } = planFor("n1", { virtualIps: [web], services });
		assert.deepEqual([config.instances.length, of.get("web")], [1, ["default/a"]]);
	});

	it("takes no VRID that a VirtualIP has on the same link, and says so", () => {
		const few = pool("edge", "{addresses: [10.88.0.101], virtualRouterIds: {from: 51, to: 51}}");
		const { config, problems } = planFor("n1", {
			pools: [few],
			virtualIps: [web],
			services: [given("a", "10.88.0.101")],
		});
		assert.deepEqual(
			config.instances.map(({ name }) => name),
			["web"],
		);
		assert.match(problems[0]?.message ?? "", /VRID 51 on eth0 is web's/);
	});

	it("takes checks, lease and authentication of its pool", () => {
		const full = pool(
			"edge",
			"{addresses: [10.88.0.101], checks: [{name: envoy, envoyReady: {}}], lease: {name: vip}, authentication: {type: hmac, secretName: vrrp}}",
		);
		const services = [given("a", "10.88.0.101")];
		const { tracked, lease, authentication, virtualRouterId } = instanceOf("n1", { pools: [full], services });
		assert.deepEqual([tracked.map(({ tracker }) => tracker), authentication], [["envoy"], { type: "hmac", key: "k" }]);
		assert.deepEqual(lease, { name: `vip-${virtualRouterId}`, namespace: ownNamespace });
	});
});

describe("beside a cluster", () => {
	it("a keepalived.conf and VirtualIPs of files run as they are written", () => {
		const text = `vrrp_script envoy {\n script "/bin/true"\n}\nvrrp_instance conf {\n interface eth0\n virtual_router_id 60\n virtual_ipaddress {\n 10.88.0.60/24\n }\n track_script {\n envoy\n }\n}\n`;
		const keepalived = parseKeepalivedConf("keepalived.conf", text, { configId: "n1" });
		const file = virtualIp(
			"api",
			"{addresses: [10.88.0.5/24], virtualRouterId: 5, checks: [{name: envoy, apiServer: {}}]}",
		);
		const { config } = planFor("n1", { virtualIps: [web] }, { keepalived, fileVirtualIps: [file] });
		assert.deepEqual(
			config.instances.map(({ name, transport, tracked }) => [name, transport.type, tracked[0]?.tracker]),
			[
				["conf", "multicast", "envoy"],
				["api", "multicast", "cluster/envoy"],
				["web", "unicast", undefined],
			],
		);
		assert.deepEqual(
			config.trackers.map(({ name }) => name),
			["envoy", "cluster/envoy"],
		);
	});
});
