import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anEndpointSlice, aPod, aProxy, applied, aService, aServiceEntry, aSidecar } from "../model/model.testing.ts";
import type { AnyObject } from "../resources/config-object.ts";
import { applyChanges, emptySnapshot } from "./snapshot.ts";
import { viewFor } from "./view-for.ts";

const proxy = aProxy("web-1", { ipAddresses: ["10.1.0.1"], labels: { app: "web" } });
const snapshotOf = (...objects: readonly AnyObject[]) => applyChanges(emptySnapshot(), applied(...objects)).snapshot;
const portsOf = (...objects: readonly AnyObject[]) => viewFor(snapshotOf(...objects), proxy).inbound?.ports ?? [];

const http = (targetPort: number | string, port = 80) => ({ ports: [{ name: "http", port, targetPort }] });

describe("inbound ports", () => {
	it("are the target ports of services that select the workload, before it is ready and before any endpoint exists", () => {
		const [port, ...others] = portsOf(aService("web", http(8080)), aService("other", http(7070)));
		assert.deepEqual(others, []);
		assert.equal(port?.targetPort, 8080);
		assert.equal(port?.protocol, "HTTP");
		assert.equal(port?.service?.name, "web");
		assert.equal(port?.servicePort?.number, 80);
	});

	it("are told by an endpoint at one of its addresses where no selector leads to it, even an unhealthy one", () => {
		const service = aService("manual", { ...http(1), selector: {} });
		const sick = { addresses: ["10.1.0.1"], conditions: { ready: false } };
		const slice = anEndpointSlice("manual", [sick, "10.1.0.2"], [{ name: "http", port: 9000 }]);
		assert.deepEqual(
			portsOf(service, slice).map((port) => port.targetPort),
			[9000],
		);
	});

	it("are not told by services of other namespaces", () => {
		const endpoints = [{ address: "10.1.0.1" }];
		const spec = { hosts: ["a.example.com"], ports: [{ number: 81 }], resolution: "STATIC" as const, endpoints };
		assert.deepEqual(portsOf(aServiceEntry("e", spec, { namespace: "other" })), []);
		assert.deepEqual(
			portsOf(aServiceEntry("e", spec)).map((port) => port.targetPort),
			[81],
		);
	});

	it("may be named by a container", () => {
		const containers = [{ name: "app", ports: [{ name: "web", containerPort: 8081 }] }];
		const notReady = { containers, status: { conditions: [{ type: "Ready", status: "False" }] } };
		const service = aService("web", http("web"));
		assert.deepEqual(
			portsOf(service, aPod("web-1", "10.1.0.1", notReady)).map((port) => port.targetPort),
			[8081],
		);
		assert.deepEqual(portsOf(service), [], "nobody knows the number yet");
	});

	it("belong to the oldest of the services that share them, in order of their numbers", () => {
		const newer = aService("a-newer", { ...http(8080), selector: { app: "web" } }, { createdMs: 9 });
		const older = aService("z-older", { ...http(8080, 81), selector: { app: "web" } }, { createdMs: 1 });
		const second = aService("second", { ...http(7070), selector: { app: "web" } });
		assert.deepEqual(
			portsOf(newer, older, second).map((port) => [port.targetPort, port.service?.name]),
			[
				[7070, "second"],
				[8080, "z-older"],
			],
		);
	});

	it("are exactly those of a Sidecar's ingress where there is one", () => {
		const ingress = [
			{ port: { number: 8080, protocol: "GRPC", name: "grpc" }, defaultEndpoint: "127.0.0.1:9999" },
			{ port: { number: 5000, protocol: "TCP", name: "tcp" }, connectionPool: { tcp: { maxConnections: 2 } } },
		];
		const spec = { ingress, inboundConnectionPool: { tcp: { maxConnections: 7 } } };
		const objects = [aService("web", http(8080)), aService("web2", { ...http(6000), selector: { app: "web" } })];
		const [tcp, grpc, ...others] = portsOf(...objects, aSidecar("s", spec));
		assert.deepEqual(others, []);
		assert.deepEqual([grpc?.targetPort, grpc?.protocol, grpc?.service?.name], [8080, "GRPC", "web"]);
		assert.deepEqual([grpc?.defaultEndpoint, grpc?.connectionPool?.tcp?.maxConnections], ["127.0.0.1:9999", 7]);
		assert.deepEqual([tcp?.targetPort, tcp?.service, tcp?.connectionPool?.tcp?.maxConnections], [5000, undefined, 2]);
	});

	it("take the Sidecar's connection pool", () => {
		const sidecar = aSidecar("s", { inboundConnectionPool: { tcp: { maxConnections: 7 } } });
		assert.equal(portsOf(aService("web", http(8080)), sidecar)[0]?.connectionPool?.tcp?.maxConnections, 7);
	});
});

describe("views that say the same", () => {
	it("are the same inbound view when other services change, and another one when a port changes", () => {
		const start = snapshotOf(aService("web", http(8080)), aService("other", http(1)));
		const before = viewFor(start, proxy).inbound;
		assert.equal(viewFor(applyChanges(start, applied(aService("other", http(2)))).snapshot, proxy).inbound, before);
		assert.notEqual(viewFor(applyChanges(start, applied(aService("web", http(2)))).snapshot, proxy).inbound, before);
	});

	it("are one outbound view for all sidecars of a namespace, and across changes that they cannot see", () => {
		const start = snapshotOf(aService("web", http(8080)));
		const before = viewFor(start, proxy).outbound;
		assert.equal(viewFor(start, aProxy("db-1", { ipAddresses: ["10.1.0.9"] })).outbound, before);
		const annotations = { "networking.istio.io/exportTo": "." };
		const hidden = aService("hidden", {}, { namespace: "other", annotations });
		const next = applyChanges(start, applied(hidden));
		assert.equal(next.changed.routing, true);
		assert.equal(viewFor(next.snapshot, proxy).outbound, before);
	});

	it("share service views between namespaces", () => {
		const snapshot = snapshotOf(aService("web", http(8080)));
		const [own] = viewFor(snapshot, proxy).outbound?.services ?? [];
		const [other] = viewFor(snapshot, aProxy("x", { namespace: "other" })).outbound?.services ?? [];
		assert.ok(own);
		assert.equal(own, other);
	});
});
