import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { service } from "./cluster.testing.ts";
import { allocationPatch, ingressPatch } from "./load-balancer-status.ts";

const metadata = { resourceVersion: "7" };
const vip = (ip: string) => ({ ip, ipMode: "VIP" });

describe("the status of a load balancer", () => {
	it("names the addresses that its owner holds, and keeps those of another owner", () => {
		const both = { "keepmesh.io/allocated-ips": "10.88.0.100,fd00::1" };
		assert.deepEqual(ingressPatch(service("a", {}, both), new Set(["10.88.0.100"])), {
			metadata,
			status: { loadBalancer: { ingress: [vip("10.88.0.100")] } },
		});
		assert.deepEqual(ingressPatch(service("a", {}, both, ["fd00::1"]), new Set(["10.88.0.100"])), {
			metadata,
			status: { loadBalancer: { ingress: [vip("10.88.0.100"), vip("fd00::1")] } },
		});
		assert.equal(ingressPatch(service("a", {}, both, ["10.88.0.100", "fd00::1"]), new Set(["fd00::1"])), undefined);
	});
});

describe("what a Service is given", () => {
	const given = (addresses: string, ingress: readonly string[] = []) =>
		service("a", {}, { "keepmesh.io/allocated-ips": addresses }, ingress);

	it("is noted once", () => {
		assert.deepEqual(allocationPatch(service("a"), ["10.88.0.100"]), {
			patch: { metadata: { ...metadata, annotations: { "keepmesh.io/allocated-ips": "10.88.0.100" } } },
		});
		assert.equal(allocationPatch(given("10.88.0.100", ["10.88.0.100"]), ["10.88.0.100"]), undefined);
		assert.equal(allocationPatch(service("a"), []), undefined);
	});

	it("leaves the status before the note when it is taken back", () => {
		assert.deepEqual(allocationPatch(given("10.88.0.100", ["10.88.0.100"]), []), {
			subresource: "status",
			patch: { metadata, status: { loadBalancer: null } },
		});
		assert.deepEqual(allocationPatch(given("10.88.0.100"), ["10.88.0.101"])?.patch, {
			metadata: { ...metadata, annotations: { "keepmesh.io/allocated-ips": "10.88.0.101" } },
		});
		const gone = service("a", { type: "ClusterIP" }, { "keepmesh.io/allocated-ips": "10.88.0.100" });
		assert.deepEqual(allocationPatch(gone, [])?.patch, {
			metadata: { ...metadata, annotations: { "keepmesh.io/allocated-ips": null } },
		});
	});
});
