import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anEndpointSlice, aPod, aProxy, applied, aService, aServiceEntry, aSidecar } from "../model/model.testing.ts";
import type { AnyObject } from "../resources/config-object.ts";
import { nameTableFor } from "./name-table.ts";
import { applyChanges, emptySnapshot } from "./snapshot.ts";

const proxy = aProxy();
const snapshotOf = (...objects: readonly AnyObject[]) => applyChanges(emptySnapshot(), applied(...objects)).snapshot;
const entriesOf = (...objects: readonly AnyObject[]) => nameTableFor(snapshotOf(...objects), proxy).entries;

describe("names that DNS answers", () => {
	it("are those of a Kubernetes Service, the bare one in its own namespace only", () => {
		const [far, near] = entriesOf(
			aService("web", { clusterIP: "10.96.0.1" }, { namespace: "away" }),
			aService("web", { clusterIP: "10.96.0.2" }),
		);
		assert.deepEqual(far?.names, ["web.away.svc.cluster.local", "web.away.svc", "web.away"]);
		assert.deepEqual(far?.addresses, ["10.96.0.1"]);
		assert.deepEqual(near?.names, ["web.default.svc.cluster.local", "web.default.svc", "web.default", "web"]);
		assert.deepEqual([near?.shortName, near?.namespace, near?.registry], ["web", "default", "kubernetes"]);
	});

	it("lead to the allocated address of a ServiceEntry that has none", () => {
		const ports = [{ number: 443, name: "tls", protocol: "TLS" }];
		const [entry] = entriesOf(aServiceEntry("e", { hosts: ["api.example.com"], ports, resolution: "DNS" }));
		assert.deepEqual(entry?.names, ["api.example.com"]);
		assert.match(entry?.addresses[0] ?? "", /^240\.240\./);
	});

	it("lead to the ready endpoints of a headless Service, and each named pod has its own name", () => {
		const service = aService("db", { clusterIP: "None" });
		const slice = anEndpointSlice("db", [
			{ addresses: ["10.1.0.1"], hostname: "db-0" },
			{ addresses: ["10.1.0.2"], hostname: "db-1" },
			{ addresses: ["10.1.0.3"], hostname: "db-2", conditions: { ready: false } },
		]);
		assert.deepEqual(
			entriesOf(service, slice).map((entry) => [entry.names[0], entry.addresses]),
			[
				["db-0.db.default.svc.cluster.local", ["10.1.0.1"]],
				["db-1.db.default.svc.cluster.local", ["10.1.0.2"]],
				["db.default.svc.cluster.local", ["10.1.0.1", "10.1.0.2"]],
			],
		);
		assert.ok(entriesOf(service, slice)[0]?.names.includes("db-0.db"));
	});

	it("include pods that name themselves under the Service in plain files", () => {
		const pod = aPod("db-0", "10.1.0.1", { hostname: "db-0", subdomain: "db" });
		const names = entriesOf(aService("db", { clusterIP: "None" }), pod).map((entry) => entry.names[0]);
		assert.deepEqual(names, ["db-0.db.default.svc.cluster.local", "db.default.svc.cluster.local"]);
	});

	it("are left to the machine's own DNS where the mesh has no address: ranges, pass-through hosts, names without ports", () => {
		const ports = [{ number: 443, name: "tls", protocol: "TLS" }];
		const range = aServiceEntry("range", { hosts: ["range.example.com"], ports, addresses: ["10.9.0.0/16"] });
		const through = aServiceEntry("through", { hosts: ["through.example.com"], ports, resolution: "NONE" });
		const alias = aService("alias", { type: "ExternalName", externalName: "x.example.com", ports: [] });
		assert.deepEqual(entriesOf(range, through, alias), []);
	});

	it("are only those of services in scope", () => {
		const sidecar = aSidecar("s", { egress: [{ hosts: ["./a"] }] });
		assert.deepEqual(
			entriesOf(aService("a"), aService("b"), sidecar).map((entry) => entry.shortName),
			["a"],
		);
	});
});
