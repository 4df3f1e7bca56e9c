import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	aMeshConfig,
	anEndpointSlice,
	anObject,
	aPod,
	aProxy,
	applied,
	aService,
	aServiceEntry,
	aVirtualService,
	removed,
} from "../model/model.testing.ts";
import { applyChanges, emptySnapshot } from "./snapshot.ts";
import { viewFor } from "./view-for.ts";

const reviews = "reviews.default.svc.cluster.local/default";

describe("a change of endpoints", () => {
	const start = applyChanges(
		emptySnapshot(),
		applied(
			aService("reviews"),
			aService("ratings"),
			anEndpointSlice("reviews", ["10.1.0.1"]),
			aVirtualService("v", { hosts: ["reviews"] }),
		),
	).snapshot;

	it("leaves routing the very same object and names the service", () => {
		const next = applyChanges(start, applied(anEndpointSlice("reviews", ["10.1.0.1", "10.1.0.2"])));
		assert.equal(next.changed.routing, false);
		assert.equal(next.snapshot.routing, start.routing);
		assert.deepEqual([...next.changed.endpoints], [reviews]);
		const addresses = next.snapshot.endpoints.byService
			.get(reviews)
			?.byPort.get(9080)
			?.map((one) => one.address);
		assert.deepEqual(addresses, ["10.1.0.1", "10.1.0.2"]);
	});

	it("keeps endpoints that did not change and all other services", () => {
		const next = applyChanges(start, applied(anEndpointSlice("reviews", ["10.1.0.1", "10.1.0.2"]))).snapshot;
		const before = start.endpoints.byService;
		const after = next.endpoints.byService;
		assert.equal(after.get(reviews)?.byPort.get(9080)?.[0], before.get(reviews)?.byPort.get(9080)?.[0]);
		const ratings = "ratings.default.svc.cluster.local/default";
		assert.ok(before.get(ratings));
		assert.equal(after.get(ratings), before.get(ratings));
	});

	it("keeps the outbound view of every sidecar", () => {
		const proxy = aProxy();
		const before = viewFor(start, proxy);
		const next = applyChanges(start, applied(anEndpointSlice("reviews", ["10.1.0.2"]))).snapshot;
		const after = viewFor(next, proxy);
		assert.equal(after.outbound, before.outbound);
		assert.equal(after.inbound, before.inbound);
		assert.notEqual(after.endpoints, before.endpoints);
	});

	it("is a change of routing where Envoy resolves the service by DNS, as its endpoints are part of the cluster", () => {
		const entry = aServiceEntry("db", {
			hosts: ["db.example.com"],
			resolution: "DNS",
			ports: [{ number: 5432, name: "tcp", protocol: "TCP" }],
			workloadSelector: { labels: { app: "db" } },
		});
		const { snapshot } = applyChanges(emptySnapshot(), applied(entry));
		const next = applyChanges(
			snapshot,
			applied(anObject("WorkloadEntry", "db-1", { address: "db1.example.com", labels: { app: "db" } })),
		);
		assert.equal(next.changed.routing, true);
		const view = viewFor(next.snapshot, aProxy()).outbound?.services[0];
		assert.equal(view?.endpoints?.byPort.get(5432)?.[0]?.address, "db1.example.com");
	});
});

describe("a change that says nothing new", () => {
	it("gives back the same snapshot when the content is equal, wherever in the file it stands", () => {
		const { snapshot } = applyChanges(emptySnapshot(), applied(aService("reviews")));
		const moved = { ...aService("reviews"), origin: { file: "test.yaml", line: 99, column: 1 } };
		const next = applyChanges(snapshot, applied(moved));
		assert.equal(next.snapshot, snapshot);
		assert.deepEqual(next.changed, { routing: false, endpoints: new Set(), secrets: false, policies: false });
	});

	it("ignores the removal of what is not there", () => {
		const snapshot = emptySnapshot();
		assert.equal(applyChanges(snapshot, removed(aService("reviews"))).snapshot, snapshot);
	});

	it("keeps endpoints when only a pod's irrelevant status changes", () => {
		const { snapshot } = applyChanges(emptySnapshot(), applied(aService("reviews"), aPod("reviews-1", "10.1.0.1")));
		const conditions = [
			{ type: "Ready", status: "True" },
			{ type: "DiskPressure", status: "False" },
		];
		const next = applyChanges(snapshot, applied(aPod("reviews-1", "10.1.0.1", { status: { conditions } })));
		assert.equal(next.changed.endpoints.size, 0);
		assert.equal(next.snapshot.endpoints.byService, snapshot.endpoints.byService);
	});
});

describe("MeshConfig", () => {
	it("replaces the defaults field by field", () => {
		const { snapshot, changed } = applyChanges(
			emptySnapshot(),
			applied(aMeshConfig({ outboundTrafficPolicy: { mode: "REGISTRY_ONLY" }, connectTimeout: "1.5s" })),
		);
		assert.equal(changed.routing, true);
		assert.equal(snapshot.routing.mesh.outboundTrafficPolicy, "REGISTRY_ONLY");
		assert.equal(snapshot.routing.mesh.connectTimeoutMs, 1500);
		assert.equal(snapshot.routing.mesh.retries.attempts, 2);
	});

	it("changes who sees services that do not say it themselves", () => {
		const stranger = aProxy("x", { namespace: "other" });
		const { snapshot } = applyChanges(emptySnapshot(), applied(aService("reviews")));
		assert.equal(viewFor(snapshot, stranger).outbound?.services.length, 1);
		const next = applyChanges(snapshot, applied(aMeshConfig({ defaultServiceExportTo: ["."] }))).snapshot;
		assert.equal(viewFor(next, stranger).outbound?.services.length, 0);
		assert.equal(viewFor(next, aProxy()).outbound?.services.length, 1);
	});

	it("counts only where it lies in the root namespace, when there are several", () => {
		const stray = aMeshConfig({ accessLogFile: "/dev/stray" }, { namespace: "default", createdMs: 1 });
		const home = aMeshConfig({ accessLogFile: "/dev/stdout" }, { createdMs: 2 });
		const { snapshot } = applyChanges(emptySnapshot(), applied(stray, home));
		assert.equal(snapshot.routing.mesh.accessLogFile, "/dev/stdout");
	});
});
