import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	anEndpointSlice,
	aPod,
	aProxy,
	applied,
	aService,
	aServiceEntry,
	aWorkloadEntry,
} from "../model/model.testing.ts";
import type { MeshService } from "../model/service.ts";
import type { AnyObject } from "../resources/config-object.ts";
import { problemsOf } from "./resource-status.ts";
import { endpointsOfSubset } from "./service-endpoints.ts";
import { applyChanges, emptySnapshot, type Snapshot } from "./snapshot.ts";
import { viewFor } from "./view-for.ts";

const snapshotOf = (...objects: readonly AnyObject[]): Snapshot =>
	applyChanges(emptySnapshot(), applied(...objects)).snapshot;

function serviceOf(snapshot: Snapshot, hostname: string, namespace = "default"): MeshService {
	const service = snapshot.routing.registry.byKey.get(`${hostname}/${namespace}`)?.service;
	assert.ok(service, `no service ${hostname}/${namespace}`);
	return service;
}

function endpointsAt(snapshot: Snapshot, hostname: string, port: number, namespace = "default") {
	return snapshot.endpoints.byService.get(`${hostname}/${namespace}`)?.byPort.get(port) ?? [];
}

const reviews = "reviews.default.svc.cluster.local";

describe("a Kubernetes Service", () => {
	it("keeps its cluster IPs and leaves UDP ports out", () => {
		const ports = [
			{ name: "http", port: 80, targetPort: "web" },
			{ name: "dns", port: 53, protocol: "UDP" as const },
		];
		const service = serviceOf(snapshotOf(aService("reviews", { clusterIP: "10.96.0.7", ports })), reviews);
		assert.deepEqual(service.addresses, ["10.96.0.7"]);
		assert.equal(service.allocated, false);
		assert.deepEqual(service.ports, [{ number: 80, name: "http", protocol: "HTTP", targetPort: "web" }]);
		assert.equal(service.discovery, "endpoints");
	});

	it("gets an address of 240.240.0.0/16 when its file has none, the same whatever else there is", () => {
		const alone = serviceOf(snapshotOf(aService("reviews")), reviews);
		assert.equal(alone.allocated, true);
		assert.match(alone.addresses[0] ?? "", /^240\.240\.\d+\.\d+$/);
		const many = Array.from({ length: 50 }, (_, index) => aService(`other-${index}`, {}, { createdMs: 1 }));
		assert.deepEqual(serviceOf(snapshotOf(...many, aService("reviews")), reviews).addresses, alone.addresses);
	});

	it("passes through when headless, without an address", () => {
		const service = serviceOf(snapshotOf(aService("reviews", { clusterIP: "None" })), reviews);
		assert.deepEqual([service.headless, service.discovery, service.addresses], [true, "passthrough", []]);
	});

	it("is resolved by DNS when it is an ExternalName", () => {
		const spec = { type: "ExternalName" as const, externalName: "db.example.com" };
		const snapshot = snapshotOf(aService("reviews", { ...spec, ports: [{ name: "tcp", port: 5432 }] }));
		assert.equal(serviceOf(snapshot, reviews).discovery, "dns");
		assert.deepEqual(
			viewFor(snapshot, aProxy())
				.outbound?.services[0]?.endpoints?.byPort.get(5432)
				?.map((one) => one.address),
			["db.example.com"],
		);
	});

	it("is seen by those that its exportTo annotation names", () => {
		const annotations = { "networking.istio.io/exportTo": "., friends" };
		const snapshot = snapshotOf(aService("reviews", {}, { annotations }));
		const seenIn = (namespace: string) => viewFor(snapshot, aProxy("x", { namespace })).outbound?.services.length;
		assert.deepEqual(["default", "friends", "strangers"].map(seenIn), [1, 1, 0]);
	});

	it("goes before a ServiceEntry for its host, even an older one in another namespace", () => {
		const entry = aServiceEntry("grab", { hosts: [reviews], ports: [{ number: 80 }] }, { namespace: "bad" });
		const snapshot = snapshotOf(aService("reviews", {}, { createdMs: 9 }), entry);
		const view = viewFor(snapshot, aProxy("x", { namespace: "bad" })).outbound?.services;
		assert.deepEqual(
			view?.map(({ service }) => service.registry),
			["kubernetes"],
		);
	});
});

describe("endpoints of a Kubernetes Service", () => {
	const conditions = (ready: boolean, serving: boolean, terminating: boolean) => ({ ready, serving, terminating });

	it("carry the health that the slice's conditions say", () => {
		const slice = anEndpointSlice("reviews", [
			"10.1.0.1",
			{ addresses: ["10.1.0.2"], conditions: conditions(false, false, false) },
			{ addresses: ["10.1.0.3"], conditions: conditions(false, true, true) },
			{ addresses: ["10.1.0.4"], conditions: conditions(false, false, true) },
		]);
		const found = endpointsAt(snapshotOf(aService("reviews"), slice), reviews, 9080);
		assert.deepEqual(
			found.map((one) => one.health),
			["healthy", "unhealthy", "draining", "unhealthy"],
		);
	});

	it("take labels, account, place, workload and TLS mode from the pod", () => {
		const pod = aPod(
			"reviews-v1-5d8-x2",
			"10.1.0.1",
			{ serviceAccountName: "bookinfo-reviews" },
			{ labels: { version: "v1", "pod-template-hash": "5d8", "topology.kubernetes.io/region": "eu" } },
		);
		const slice = anEndpointSlice("reviews", [
			{ addresses: ["10.1.0.1"], zone: "eu-1", targetRef: { kind: "Pod", name: "reviews-v1-5d8-x2" } },
		]);
		const [endpoint] = endpointsAt(snapshotOf(aService("reviews"), slice, pod), reviews, 9080);
		assert.equal(endpoint?.labels.version, "v1");
		assert.equal(endpoint?.serviceAccount, "bookinfo-reviews");
		assert.deepEqual(endpoint?.locality, { region: "eu", zone: "eu-1", subzone: "" });
		assert.equal(endpoint?.workload, "reviews-v1");
		assert.equal(endpoint?.tlsMode, "istio");
	});

	it("stay healthy while only the pod's proxy is away, and its node serves it", () => {
		const sick = { addresses: ["10.1.0.1"], conditions: conditions(false, false, false) };
		const healthWith = (...types: readonly string[]) => {
			const said = types.map((type) => ({ type, status: type === "Ready" ? "False" : "True" }));
			const pod = aPod("reviews-1", "10.1.0.1", { status: { podIP: "10.1.0.1", conditions: said } });
			const found = endpointsAt(
				snapshotOf(aService("reviews"), anEndpointSlice("reviews", [sick]), pod),
				reviews,
				9080,
			);
			return found.map(({ health }) => health);
		};
		assert.deepEqual(healthWith("Ready"), ["unhealthy"]);
		assert.deepEqual(healthWith("Ready", "keepmesh.io/served-without-proxy"), ["healthy"]);
	});

	it("drain as soon as their pod's deletion begins", () => {
		const pod = aPod("reviews-1", "10.1.0.1", {}, { deletedMs: 5 });
		const found = endpointsAt(
			snapshotOf(aService("reviews"), anEndpointSlice("reviews", ["10.1.0.1"]), pod),
			reviews,
			9080,
		);
		assert.deepEqual(
			found.map((one) => one.health),
			["draining"],
		);
	});

	it("are found by the name of the port", () => {
		const ports = [
			{ name: "http", port: 80 },
			{ name: "grpc", port: 90 },
		];
		const slice = anEndpointSlice(
			"reviews",
			["10.1.0.1"],
			[
				{ name: "grpc", port: 9090 },
				{ name: "http", port: 8080 },
			],
		);
		const snapshot = snapshotOf(aService("reviews", { ports }), slice);
		assert.equal(endpointsAt(snapshot, reviews, 80)[0]?.port, 8080);
		assert.equal(endpointsAt(snapshot, reviews, 90)[0]?.port, 9090);
	});

	it("are its matching pods while no slice exists, ports told by number or container port name", () => {
		const containers = [{ name: "app", ports: [{ name: "web", containerPort: 8080 }] }];
		const ready = aPod("reviews-1", "10.1.0.1", { containers });
		const notReady = aPod("reviews-2", "10.1.0.2", {
			containers,
			status: { conditions: [{ type: "Ready", status: "False" }] },
		});
		const other = aPod("ratings-1", "10.1.0.3", { containers });
		const elsewhere = aPod("reviews-3", "10.1.0.4", { containers }, { namespace: "other" });
		const ended = aPod("reviews-4", "10.1.0.5", { containers, status: { phase: "Succeeded" } });
		const service = aService("reviews", { ports: [{ name: "http", port: 80, targetPort: "web" }] });
		const pods = [ready, notReady, other, elsewhere, ended];
		const found = endpointsAt(snapshotOf(service, ...pods), reviews, 80);
		assert.deepEqual(
			found.map((one) => [one.address, one.port, one.health]),
			[
				["10.1.0.1", 8080, "healthy"],
				["10.1.0.2", 8080, "unhealthy"],
			],
		);
		const withSlice = snapshotOf(service, ...pods, anEndpointSlice("reviews", [], []));
		assert.deepEqual(endpointsAt(withSlice, reviews, 80), []);
	});

	it("name an address once when two slices have it, and then the healthier mention counts", () => {
		const sick = { addresses: ["10.1.0.1"], conditions: conditions(false, false, false) };
		const old = anEndpointSlice("reviews", [sick], undefined, { name: "old" });
		const fresh = anEndpointSlice("reviews", ["10.1.0.1"], undefined, { name: "zz-new" });
		const found = endpointsAt(snapshotOf(aService("reviews"), old, fresh), reviews, 9080);
		assert.deepEqual(
			found.map((one) => one.health),
			["healthy"],
		);
	});

	it("can be cut down to a subset", () => {
		const pods = ["v1", "v2"].map((version, index) =>
			aPod(`reviews-${index}`, `10.1.0.${index}`, {}, { labels: { version } }),
		);
		const all = endpointsAt(snapshotOf(aService("reviews"), ...pods), reviews, 9080);
		const addresses = (subset: Parameters<typeof endpointsOfSubset>[1]) =>
			endpointsOfSubset(all, subset).map((one) => one.address);
		assert.deepEqual(addresses({ name: "v2", labels: { version: "v2" } }), ["10.1.0.1"]);
		assert.deepEqual(addresses({ name: "all" }), ["10.1.0.0", "10.1.0.1"]);
		assert.deepEqual(addresses(undefined), ["10.1.0.0", "10.1.0.1"]);
	});
});

describe("a ServiceEntry", () => {
	const ports = [{ number: 443, name: "tls", protocol: "TLS" }];

	it("becomes one service for each host, found as its resolution says", () => {
		const resolutions = ["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"] as const;
		const found = resolutions.map((resolution) => {
			const snapshot = snapshotOf(aServiceEntry("e", { hosts: ["a.example.com", "b.example.com"], ports, resolution }));
			assert.equal(snapshot.routing.registry.byKey.size, 2);
			return serviceOf(snapshot, "b.example.com").discovery;
		});
		assert.deepEqual(found, ["passthrough", "endpoints", "dns", "dnsRoundRobin", "dynamicDns"]);
	});

	it("gets an address unless it has one, passes through, or is a wildcard", () => {
		const allocated = (host: string, resolution: "NONE" | "DNS" | "DYNAMIC_DNS", addresses?: readonly string[]) => {
			const spec = { hosts: [host], ports, resolution, ...(addresses === undefined ? {} : { addresses }) };
			return serviceOf(snapshotOf(aServiceEntry("e", spec)), host).allocated;
		};
		assert.equal(allocated("a.example.com", "DNS"), true);
		assert.equal(allocated("a.example.com", "DNS", ["10.9.0.1"]), false);
		assert.equal(allocated("a.example.com", "NONE"), false);
		assert.equal(allocated("*.example.com", "DYNAMIC_DNS"), false);
	});

	it("gives its endpoints place, network, weight, account and their own ports", () => {
		const endpoints = [
			{
				address: "10.3.0.1",
				ports: { tls: 8443 },
				labels: { version: "v1" },
				network: "vm-net",
				locality: "eu/eu-1/rack",
				weight: 5,
				serviceAccount: "vm",
			},
			{ address: "unix:///var/run/x.sock" },
		];
		const spec = { hosts: ["a.example.com"], ports, resolution: "STATIC" as const, endpoints };
		const [ip, socket] = endpointsAt(snapshotOf(aServiceEntry("e", spec)), "a.example.com", 443);
		assert.deepEqual([ip?.port, ip?.network, ip?.weight, ip?.serviceAccount], [8443, "vm-net", 5, "vm"]);
		assert.deepEqual(ip?.locality, { region: "eu", zone: "eu-1", subzone: "rack" });
		assert.equal(ip?.tlsMode, "istio", "a workload with a mesh identity speaks the mesh's TLS");
		assert.deepEqual([socket?.address, socket?.port, socket?.tlsMode], ["unix:///var/run/x.sock", 0, "disabled"]);
	});

	it("has itself as its endpoint when DNS finds it and none is written, on the target port", () => {
		const spec = { hosts: ["a.example.com"], resolution: "DNS" as const };
		const snapshot = snapshotOf(aServiceEntry("e", { ...spec, ports: [{ number: 80, targetPort: 443 }] }));
		assert.deepEqual(
			endpointsAt(snapshot, "a.example.com", 80).map((one) => [one.address, one.port]),
			[["a.example.com", 443]],
		);
	});

	it("selects WorkloadEntries and pods of its namespace by their labels", () => {
		const spec = { hosts: ["a.example.com"], ports, resolution: "STATIC" as const };
		const entry = aServiceEntry("e", { ...spec, workloadSelector: { labels: { app: "db" } } });
		const vm = aWorkloadEntry("vm", { address: "10.3.0.1", labels: { app: "db" } });
		const stranger = aWorkloadEntry("vm", { address: "10.3.0.2", labels: { app: "db" } }, { namespace: "other" });
		const found = endpointsAt(snapshotOf(entry, vm, stranger, aPod("db-1", "10.1.0.9")), "a.example.com", 443);
		assert.deepEqual(
			found.map((one) => one.address),
			["10.1.0.9", "10.3.0.1"],
		);
	});

	it("is joined with another of its namespace that adds ports to the same host", () => {
		const spec = { hosts: ["a.example.com"], resolution: "DNS" as const };
		const http = { ...spec, ports: [{ number: 80, name: "http", protocol: "HTTP" }] };
		const snapshot = snapshotOf(aServiceEntry("one", { ...spec, ports }), aServiceEntry("two", http));
		assert.deepEqual(
			serviceOf(snapshot, "a.example.com").ports.map((port) => port.number),
			[443, 80],
		);
		assert.equal(endpointsAt(snapshot, "a.example.com", 80).length, 1);
		assert.deepEqual(problemsOf(snapshot), []);
	});

	it("is not joined when it resolves the host in another way, and the loss is reported", () => {
		const first = aServiceEntry("one", { hosts: ["a.example.com"], ports, resolution: "DNS" });
		const second = aServiceEntry("two", { hosts: ["a.example.com"], ports, resolution: "STATIC" });
		const [problem, ...others] = problemsOf(snapshotOf(first, second));
		assert.deepEqual(others, []);
		assert.equal(problem?.object, "ServiceEntry/default/two");
		assert.equal(problem?.winner, "ServiceEntry/default/one");
	});
});
