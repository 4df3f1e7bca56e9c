import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { virtualRouterIdOf } from "./address-pool.ts";
import { allocateAddresses } from "./allocate-addresses.ts";
import { clusterOf, pool, service, virtualIp } from "./cluster.testing.ts";
import type { BalancedService } from "./cluster-objects.ts";
import { allocationInputOf, type ClusterState } from "./node-plan.ts";

const edge = pool("edge", "{addresses: [10.88.0.100-10.88.0.102]}");

function allocated(services: readonly BalancedService[], parts: Partial<ClusterState> = {}): Record<string, string> {
	const cluster = clusterOf({ pools: [edge], services, ...parts });
	return Object.fromEntries(
		allocateAddresses(allocationInputOf(cluster, [])).map(({ service: { name }, addresses, because }) => [
			name,
			[...addresses, ...(because === undefined ? [] : [because])].join(" "),
		]),
	);
}

describe("addresses of Services", () => {
	it("are given from the pool until it is empty, and then the Service hears why not", () => {
		const services = ["a", "b", "c", "d"].map((name) => service(name));
		assert.deepEqual(allocated(services), {
			a: "10.88.0.100",
			b: "10.88.0.101",
			c: "10.88.0.102",
			d: "no IPv4 address is free in edge",
		});
	});

	it("stay as long as they may, whoever else comes", () => {
		const old = service("z", {}, { "keepmesh.io/allocated-ips": "10.88.0.100" });
		assert.deepEqual(allocated([service("a"), old]), { a: "10.88.0.101", z: "10.88.0.100" });
	});

	it("are the older Service's when two have the same", () => {
		const two = ["b", "a"].map((name) => service(name, {}, { "keepmesh.io/allocated-ips": "10.88.0.100" }));
		assert.deepEqual(allocated(two), { a: "10.88.0.100", b: "10.88.0.101" });
	});

	it("are others when the pool has the old one no longer, and none for a Service that is no load balancer any more", () => {
		const moved = service("a", {}, { "keepmesh.io/allocated-ips": "10.88.0.9" });
		const gone = service("b", { type: "ClusterIP" }, { "keepmesh.io/allocated-ips": "10.88.0.101" });
		assert.deepEqual(allocated([moved, gone]), { a: "10.88.0.100", b: "" });
	});

	it("are those that it asks for, by field or annotation, also of a pool that assigns nothing by itself", () => {
		const reserved = pool("reserved", "{addresses: [10.88.0.150/31], autoAssign: false}");
		const asked = [
			service("field", { loadBalancerIP: "10.88.0.150" }),
			service("annotation", {}, { "keepmesh.io/load-balancer-ips": "10.88.0.101" }),
			service("late", { loadBalancerIP: "10.88.0.150" }),
			service("outside", { loadBalancerIP: "192.0.2.1" }),
			service("named", {}, { "keepmesh.io/virtual-ip-pool": "reserved" }),
			service("nowhere", {}, { "keepmesh.io/virtual-ip-pool": "other" }),
		];
		assert.deepEqual(allocated(asked, { pools: [edge, reserved] }), {
			annotation: "10.88.0.101",
			field: "10.88.0.150",
			late: "10.88.0.150 is another Service's",
			named: "10.88.0.151",
			nowhere: "no VirtualIPPool other is for it",
			outside: "no pool that it may use, and no VirtualIP, has 192.0.2.1",
		});
	});

	it("change when it asks for another one", () => {
		const moved = service("a", { loadBalancerIP: "10.88.0.102" }, { "keepmesh.io/allocated-ips": "10.88.0.100" });
		assert.deepEqual(allocated([moved]), { a: "10.88.0.102" });
	});

	it("are a VirtualIP's for whoever asks for it, and never otherwise; those of nodes are nobody's", () => {
		const wide = pool("wide", "{addresses: [10.88.0.11-10.88.0.14]}");
		const vip = virtualIp("web", "{addresses: [10.88.0.14/24], virtualRouterId: 51}");
		const services = [service("a"), service("b", { loadBalancerIP: "10.88.0.14" })];
		assert.deepEqual(allocated(services, { pools: [wide], virtualIps: [vip] }), {
			a: "no IPv4 address is free in wide",
			b: "10.88.0.14",
		});
	});

	it("are of both families where the Service is", () => {
		const both = pool("both", "{addresses: [10.88.0.100, 'fd00::100/127']}");
		const dual = { ipFamilies: ["IPv4", "IPv6"], ipFamilyPolicy: "RequireDualStack" };
		const services = [
			service("a", dual),
			service("b", dual),
			service("c", { ...dual, ipFamilyPolicy: "PreferDualStack" }),
		];
		assert.deepEqual(allocated(services, { pools: [both] }), {
			a: "10.88.0.100 fd00::100",
			b: "fd00::101 no IPv4 address is free in both",
			c: "no IPv4 address is free in both",
		});
	});

	it("come from the pool that is for fewer, and only for Services that it admits", () => {
		const narrow = pool("team", "{addresses: [10.88.0.120], namespaces: [default]}");
		const other = pool("other", "{addresses: [10.88.0.130], namespaces: [kube-system]}");
		assert.deepEqual(allocated([service("a"), service("b")], { pools: [edge, narrow, other] }), {
			a: "10.88.0.120",
			b: "10.88.0.100",
		});
	});

	it("have virtual routers of their own until the VRIDs are used up, and none that a VirtualIP has", () => {
		const few = pool("few", "{addresses: [10.88.0.100-10.88.0.107], virtualRouterIds: {from: 10, to: 13}}");
		const vip = virtualIp("web", "{addresses: [10.88.0.9/24], virtualRouterId: 10}");
		const services = ["a", "b", "c", "d", "e"].map((name) => service(name));
		const cluster = clusterOf({ pools: [few], services, virtualIps: [vip] });
		const input = allocationInputOf(cluster, []);
		const ids = allocateAddresses(input).map(({ addresses: [address = ""] }) => {
			const [only] = input.pools;
			assert.ok(only);
			return virtualRouterIdOf(only, address);
		});
		assert.deepEqual(ids, [11, 12, 13, 11, 12]);
	});

	it("are not this cluster's to give when another controller gave some, or the class is another's", () => {
		assert.throws(() => service("a", {}, {}, ["203.0.113.5"]), /not kept/);
		assert.throws(() => service("a", { loadBalancerClass: "example.com/other" }), /not kept/);
		assert.deepEqual(allocated([service("a", { loadBalancerClass: "keepmesh.io/virtual-ip" })]), { a: "10.88.0.100" });
	});
});
