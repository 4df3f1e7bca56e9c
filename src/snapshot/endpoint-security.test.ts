import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	aMeshConfig,
	aPeerAuthentication,
	aPod,
	aProxy,
	applied,
	aService,
	aServiceEntry,
	aSidecar,
	aWorkloadEntry,
	removed,
} from "../model/model.testing.ts";
import type { AnyObject } from "../resources/config-object.ts";
import type { MtlsMode } from "../resources/kinds/security.ts";
import { applyChanges, emptySnapshot, type Snapshot } from "./snapshot.ts";
import { viewFor } from "./view-for.ts";

const snapshotOf = (...objects: readonly AnyObject[]) => applyChanges(emptySnapshot(), applied(...objects)).snapshot;
const web = aService("web", {
	ports: [
		{ name: "http", port: 80, targetPort: 8080 },
		{ name: "http-admin", port: 81, targetPort: 9090 },
	],
});
const webKey = "web.default.svc.cluster.local/default";
const client = aProxy("client-1");
const mtls = (mode: MtlsMode) => ({ mtls: { mode } });

describe("an endpoint", () => {
	const modesOf = (snapshot: Snapshot) =>
		[...(snapshot.endpoints.byService.get(webKey)?.byPort ?? [])].map(([port, list]) => [
			port,
			list.map((one) => `${one.address} ${one.tlsMode}`).join(", "),
		]);

	it("is called without mutual TLS on a port where its workload does not take it", () => {
		const own = aPeerAuthentication("own", {
			selector: { matchLabels: { version: "v1" } },
			portLevelMtls: { 9090: { mode: "DISABLE" } },
		});
		const pods = ["v1", "v2"].map((version, index) =>
			aPod(`web-${version}`, `10.1.0.${index}`, {}, { labels: { version } }),
		);
		assert.deepEqual(modesOf(snapshotOf(web, ...pods, own)), [
			[80, "10.1.0.0 istio, 10.1.0.1 istio"],
			[81, "10.1.0.0 disabled, 10.1.0.1 istio"],
		]);
	});

	it("follows the policies of its workload, whatever wider level they are of, and only services of theirs change", () => {
		const other = aService("other", {}, { namespace: "two" });
		const otherPod = aPod("other-1", "10.2.0.1", {}, { namespace: "two" });
		const snapshot = snapshotOf(web, aPod("web-1", "10.1.0.1"), other, otherPod);
		const off = aPeerAuthentication("ns", mtls("DISABLE"));
		const next = applyChanges(snapshot, applied(off));
		assert.deepEqual([...next.changed.endpoints], [webKey]);
		assert.deepEqual(modesOf(next.snapshot)[0], [80, "10.1.0.1 disabled"]);
		assert.equal(next.changed.routing, false);
		const back = applyChanges(next.snapshot, removed(off));
		assert.deepEqual(modesOf(back.snapshot)[0], [80, "10.1.0.1 istio"]);
		const mesh = applyChanges(
			snapshot,
			applied(aPeerAuthentication("m", mtls("DISABLE"), { namespace: "istio-system" })),
		);
		assert.equal(mesh.changed.endpoints.size, 2);
		const strict = applyChanges(snapshot, applied(aPeerAuthentication("ns", mtls("STRICT"))));
		assert.deepEqual([...strict.changed.endpoints], [], "STRICT changes nothing for clients that can do it");
	});

	it("that comes later obeys as well", () => {
		const snapshot = snapshotOf(web, aPeerAuthentication("ns", mtls("DISABLE")));
		const next = applyChanges(snapshot, applied(aPod("web-1", "10.1.0.1"))).snapshot;
		assert.deepEqual(modesOf(next)[0], [80, "10.1.0.1 disabled"]);
	});
});

describe("the accounts of a service", () => {
	const viewOf = (snapshot: Snapshot, name = "web") =>
		viewFor(snapshot, client).outbound?.services.find((view) => view.service.name === name);
	const pod = (name: string, address: string, serviceAccountName: string) =>
		aPod(name, address, { serviceAccountName });

	it("are those of all its workloads, ready or not, in order", () => {
		const sick = aPod("web-3", "10.1.0.3", {
			serviceAccountName: "a",
			status: { podIP: "10.1.0.3", conditions: [{ type: "Ready", status: "False" }] },
		});
		const machine = aWorkloadEntry("vm", { address: "10.1.0.4", labels: { app: "web" }, serviceAccount: "vm" });
		const snapshot = snapshotOf(web, pod("web-1", "10.1.0.1", "z"), pod("web-2", "10.1.0.2", "z"), sick, machine);
		assert.deepEqual(viewOf(snapshot)?.accounts, ["default/a", "default/vm", "default/z"]);
	});

	it("are not known without workloads, and outside of the mesh", () => {
		const external = aServiceEntry("ext", {
			hosts: ["ext.example.com"],
			location: "MESH_EXTERNAL",
			resolution: "STATIC",
			ports: [{ number: 80, name: "http", protocol: "HTTP" }],
			endpoints: [{ address: "10.3.0.1", serviceAccount: "x" }],
		});
		const snapshot = snapshotOf(web, external);
		assert.equal(viewOf(snapshot)?.accounts, undefined);
		assert.equal(viewOf(snapshot, "ext")?.accounts, undefined);
		const inside = { ...external, spec: { ...external.spec, location: "MESH_INTERNAL" as const } };
		const next = applyChanges(snapshot, applied(inside)).snapshot;
		assert.deepEqual(viewOf(next, "ext")?.accounts, ["default/x"], "endpoints stay, the place of the service changes");
	});

	it("make a new view only when they change: pods that come and go under the same account leave it alone", () => {
		const snapshot = snapshotOf(web, pod("web-1", "10.1.0.1", "a"));
		const before = viewOf(snapshot);
		const more = applyChanges(snapshot, applied(pod("web-2", "10.1.0.2", "a")));
		assert.equal(more.changed.routing, false);
		assert.equal(viewOf(more.snapshot), before);
		const other = applyChanges(more.snapshot, applied(pod("web-3", "10.1.0.3", "b")));
		assert.equal(other.changed.routing, true);
		assert.notEqual(viewOf(other.snapshot), before);
		assert.deepEqual(viewOf(other.snapshot)?.accounts, ["default/a", "default/b"]);
	});
});

describe("the ports of a headless service that take mutual TLS", () => {
	const ports = [
		{ name: "http", port: 80, targetPort: 8080 },
		{ name: "http-admin", port: 81, targetPort: 9090 },
	];
	const headless = aService("web", { clusterIP: "None", ports });
	const bare = aPod("web-2", "10.1.0.2", {}, { labels: { "security.istio.io/tlsMode": "" } });
	const viewOf = (snapshot: Snapshot) =>
		viewFor(snapshot, client).outbound?.services.find((view) => view.service.name === "web");

	it("are those of which every endpoint does", () => {
		const snapshot = snapshotOf(headless, aPod("web-1", "10.1.0.1"));
		assert.deepEqual(viewOf(snapshot)?.securedPorts, [80, 81]);
		const mixed = applyChanges(snapshot, applied(bare)).snapshot;
		assert.equal(viewOf(mixed)?.securedPorts, undefined);
		assert.deepEqual(viewOf(applyChanges(mixed, removed(bare)).snapshot)?.securedPorts, [80, 81]);
		const off = aPeerAuthentication("web", {
			selector: { matchLabels: { app: "web" } },
			portLevelMtls: { 9090: { mode: "DISABLE" } },
		});
		assert.deepEqual(viewOf(applyChanges(snapshot, applied(off)).snapshot)?.securedPorts, [80]);
	});

	it("are not known of other services, nor without endpoints", () => {
		assert.equal(viewOf(snapshotOf(web, aPod("web-1", "10.1.0.1")))?.securedPorts, undefined);
		assert.equal(viewOf(snapshotOf(headless))?.securedPorts, undefined);
		const turned = applyChanges(snapshotOf(web, aPod("web-1", "10.1.0.1")), applied(headless)).snapshot;
		assert.deepEqual(viewOf(turned)?.securedPorts, [80, 81]);
	});

	it("make a new view only when they change", () => {
		const snapshot = snapshotOf(headless, aPod("web-1", "10.1.0.1"));
		const more = applyChanges(snapshot, applied(aPod("web-2", "10.1.0.2")));
		assert.equal(viewOf(more.snapshot), viewOf(snapshot));
	});
});

describe("the service of an external authoriser", () => {
	const authorizer = (service: string) =>
		aMeshConfig({ extensionProviders: [{ name: "auth", envoyExtAuthzGrpc: { service, port: 9000 } }] });
	const grpc = { ports: [{ name: "grpc", port: 9000 }] };
	const auth = aService("auth", grpc, {
		namespace: "auth",
		annotations: { "networking.istio.io/exportTo": "~" },
	});
	const host = "auth.auth.svc.cluster.local";
	const names = (proxy: typeof client, ...objects: readonly AnyObject[]) => {
		const view = viewFor(snapshotOf(...objects), proxy);
		return (view.outbound ?? view.gateway)?.services.map((one) => one.service.name);
	};

	it("is in every view, whatever its exportTo and the client's scope say", () => {
		const scope = aSidecar("scope", { egress: [{ hosts: ["./web.default.svc.cluster.local"] }] });
		const gateway = aProxy("edge-1", { type: "router" });
		assert.deepEqual(names(client, web, auth, scope), ["web"]);
		assert.deepEqual(names(client, web, auth, scope, authorizer(host)), ["auth", "web"]);
		assert.deepEqual(names(client, web, auth, authorizer(`auth/${host}`)), ["auth", "web"]);
		assert.deepEqual(names(gateway, web, auth, authorizer(host)), ["auth", "web"]);
	});

	it("is the one of the namespace that the provider names", () => {
		assert.deepEqual(names(client, web, auth, authorizer(`other/${host}`)), ["web"]);
	});
});
