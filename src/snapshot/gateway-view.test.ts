import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	aDestinationRule,
	aGateway,
	aProxy,
	applied,
	aSecret,
	aService,
	aVirtualService,
	type MetaOptions,
} from "../model/model.testing.ts";
import type { AnyObject } from "../resources/config-object.ts";
import type { GatewayServer, VirtualServiceSpec } from "../resources/kinds/networking.ts";
import { problemsOf } from "./resource-status.ts";
import { applyChanges, emptySnapshot } from "./snapshot.ts";
import { viewFor } from "./view-for.ts";

const edge = aProxy("edge-1", { type: "router", namespace: "infra", labels: { istio: "ingressgateway" } });
const snapshotOf = (...objects: readonly AnyObject[]) => applyChanges(emptySnapshot(), applied(...objects)).snapshot;

function viewOf(...objects: readonly AnyObject[]) {
	const view = viewFor(snapshotOf(...objects), edge);
	assert.ok(view.gateway);
	assert.equal(view.outbound, undefined);
	return { ...view.gateway, secrets: view.secrets };
}

const gateway = (name: string, servers: readonly GatewayServer[], meta: MetaOptions = {}) =>
	aGateway(name, { selector: { istio: "ingressgateway" }, servers }, meta);
const http = (...hosts: readonly string[]): GatewayServer => ({
	port: { number: 80, name: "http", protocol: "HTTP" },
	hosts,
});
const https = (name: string, ...hosts: readonly string[]): GatewayServer => ({
	port: { number: 443, name, protocol: "HTTPS" },
	hosts,
	tls: { mode: "SIMPLE", credentialName: "cert" },
});
const routes = (name: string, spec: VirtualServiceSpec, meta: MetaOptions = {}) =>
	aVirtualService(name, { gateways: ["gw"], http: [{ route: [{ destination: { host: "web" } }] }], ...spec }, meta);

describe("Gateways and the workloads that run them", () => {
	it("are found by the selector, from any namespace", () => {
		const other = aGateway("other", { selector: { istio: "egressgateway" }, servers: [http("*")] });
		const { listeners } = viewOf(gateway("gw", [http("*")], { namespace: "shop" }), other);
		assert.deepEqual(
			listeners.map(({ bind, port, transport, servers }) => [bind, port, transport, servers.map((one) => one.gateway)]),
			[["0.0.0.0", 80, "plain", ["Gateway/shop/gw"]]],
		);
	});

	it("listen on the target port of the Service in front of them", () => {
		const ports = [{ name: "http2", port: 80, targetPort: 8080 }];
		const service = aService("edge", { ports, selector: { istio: "ingressgateway" } }, { namespace: "infra" });
		const [listener] = viewOf(service, gateway("gw", [http("*")])).listeners;
		assert.equal(listener?.port, 8080);
		assert.equal(listener?.servers[0]?.routeName, "http.8080");
	});

	it("share one route table for plain HTTP on a port, and have one each for HTTPS", () => {
		const { listeners } = viewOf(
			gateway("gw", [http("a.example.com"), https("https-a", "a.example.com"), https("https-b", "b.example.com")]),
			gateway("gw2", [http("b.example.com")]),
		);
		assert.deepEqual(
			listeners.map(({ transport, servers }) => [transport, servers.map((server) => server.routeName)]),
			[
				["plain", ["http.80", "http.80"]],
				["tls", ["https.443.https-a.gw.default", "https.443.https-b.gw.default"]],
			],
		);
	});

	it("read no HTTP from TCP and from TLS that passes through", () => {
		const passthrough: GatewayServer = {
			port: { number: 443, name: "tls", protocol: "TLS" },
			hosts: ["*"],
			tls: { mode: "PASSTHROUGH" },
		};
		const tcp: GatewayServer = { port: { number: 3306, name: "tcp", protocol: "TCP" }, hosts: ["*"] };
		const { listeners } = viewOf(gateway("gw", [passthrough, tcp]));
		assert.deepEqual(
			listeners.map(({ port, transport, servers }) => [port, transport, servers[0]?.routeName]),
			[
				[443, "tls", undefined],
				[3306, "plain", undefined],
			],
		);
	});

	it("lose a TLS host that an older one serves on the port, and it is reported", () => {
		const older = gateway("older", [https("https", "a.example.com")], { createdMs: 1 });
		const newer = gateway("newer", [https("https", "a.example.com", "b.example.com")], { createdMs: 2 });
		const snapshot = snapshotOf(newer, older);
		const servers = viewFor(snapshot, edge).gateway?.listeners[0]?.servers;
		assert.deepEqual(
			servers?.map((server) => [server.gateway, server.hosts]),
			[
				["Gateway/default/older", ["a.example.com"]],
				["Gateway/default/newer", ["b.example.com"]],
			],
		);
		assert.deepEqual(
			problemsOf(snapshot).map((problem) => [problem.object, problem.winner]),
			[["Gateway/default/newer", "Gateway/default/older"]],
		);
	});

	it("cannot put TLS on a plain port, or TCP on an HTTP port, of an older one", () => {
		const older = gateway("older", [http("*")], { createdMs: 1 });
		const tls = { ...https("https", "*"), port: { number: 80, name: "https", protocol: "HTTPS" } };
		const tcp = { ...http("*"), port: { number: 80, name: "tcp", protocol: "TCP" } };
		const snapshot = snapshotOf(older, gateway("newer", [tls, tcp], { createdMs: 2 }));
		assert.deepEqual(
			viewFor(snapshot, edge).gateway?.listeners.map((listener) => [listener.transport, listener.servers.length]),
			[["plain", 1]],
		);
		assert.deepEqual(
			problemsOf(snapshot).map((problem) => problem.winner),
			["Gateway/default/older", "Gateway/default/older"],
		);
	});
});

describe("VirtualServices at a gateway", () => {
	const rulesOf = (...objects: readonly AnyObject[]) => viewOf(...objects).listeners[0]?.servers[0]?.rules ?? [];

	it("are bound by name and namespace, with the hosts that both have", () => {
		const cases: readonly (readonly [string, string, readonly string[]])[] = [
			["*", "a.example.com", ["a.example.com"]],
			["*.example.com", "a.example.com", ["a.example.com"]],
			["a.example.com", "*.example.com", ["a.example.com"]],
			["a.example.com", "*", ["a.example.com"]],
			["*.example.com", "*.example.com", ["*.example.com"]],
			["a.example.com", "b.example.com", []],
		];
		for (const [served, asked, expected] of cases) {
			const rules = rulesOf(gateway("gw", [http(served)]), routes("v", { hosts: [asked] }));
			assert.deepEqual(
				rules.flatMap((rule) => rule.hosts),
				expected,
				`${served} with ${asked}`,
			);
		}
		const abroad = routes("v", { hosts: ["*"], gateways: ["shop/gw"] });
		assert.equal(rulesOf(gateway("gw", [http("*")], { namespace: "shop" }), abroad).length, 1);
		assert.equal(rulesOf(gateway("gw", [http("*")]), abroad).length, 0);
	});

	it("may use a host only from the namespaces that the server allows", () => {
		const shop = routes("v", { hosts: ["a.example.com"], gateways: ["default/gw"] }, { namespace: "shop" });
		const sees = (host: string) => rulesOf(gateway("gw", [http(host)]), shop).length;
		assert.deepEqual(["*/*", "shop/*", "./*", "bank/a.example.com", "a.example.com"].map(sees), [1, 1, 0, 0, 1]);
	});

	it("are all there for the same host, the oldest first", () => {
		const first = routes("zz", { hosts: ["a.example.com"] }, { createdMs: 1 });
		const second = routes("aa", { hosts: ["a.example.com"] }, { createdMs: 2 });
		assert.deepEqual(
			rulesOf(gateway("gw", [http("*")]), second, first).map((rule) => rule.source),
			["VirtualService/default/zz", "VirtualService/default/aa"],
		);
	});

	it("show only the matches that are for this gateway", () => {
		const match = [
			{ gateways: ["mesh"], uri: { prefix: "/mesh" } },
			{ gateways: ["gw"], uri: { prefix: "/gw" } },
		];
		const spec = {
			hosts: ["*"],
			gateways: ["mesh", "gw"],
			http: [{ match, route: [{ destination: { host: "web" } }] }],
		};
		const [rule] = rulesOf(gateway("gw", [http("*")]), routes("v", spec));
		assert.deepEqual(rule?.http[0]?.match, [{ uri: { prefix: "/gw" } }]);
	});

	it("must be exported to the gateway's namespace", () => {
		assert.equal(rulesOf(gateway("gw", [http("*")]), routes("v", { hosts: ["*"], exportTo: ["."] })).length, 0);
		assert.equal(rulesOf(gateway("gw", [http("*")]), routes("v", { hosts: ["*"], exportTo: ["infra"] })).length, 1);
	});
});

describe("secrets of a gateway", () => {
	const data = { "tls.crt": "chain", "tls.key": "key", "ca.crt": "roots" };

	it("come from its own namespace only", () => {
		const servers = [https("https", "*")];
		assert.deepEqual(viewOf(gateway("gw", servers), aSecret("cert", data)).secrets, []);
		assert.deepEqual(viewOf(gateway("gw", servers), aSecret("cert", data, { namespace: "infra" })).secrets, [
			{ name: "kubernetes://cert", certificateChain: "chain", privateKey: "key", caCertificate: "roots" },
		]);
	});

	it("may have their roots in a Secret of their own, and Istio's older key names", () => {
		const roots = aSecret("cert-cacert", { cacert: "own roots" }, { namespace: "infra" });
		const cert = aSecret("cert", { cert: "c", key: "k" }, { namespace: "infra" });
		assert.deepEqual(viewOf(gateway("gw", [https("https", "*")]), roots, cert).secrets, [
			{ name: "kubernetes://cert", certificateChain: "c", privateKey: "k" },
			{ name: "kubernetes://cert-cacert", caCertificate: "own roots" },
		]);
	});

	it("include those that DestinationRules name for the services behind it", () => {
		const rule = aDestinationRule("d", {
			host: "web",
			trafficPolicy: { tls: { mode: "MUTUAL", credentialName: "client" } },
		});
		const secret = aSecret("client", data, { namespace: "infra" });
		assert.deepEqual(
			viewOf(aService("web"), rule, secret).secrets.map((one) => one.name),
			["kubernetes://client"],
		);
	});

	it("reach a sidecar only by a DestinationRule that selects it", () => {
		const trafficPolicy = { tls: { mode: "MUTUAL" as const, credentialName: "client" } };
		const namesFor = (workloadSelector: { matchLabels: Record<string, string> } | undefined, label: string) => {
			const spec = { host: "web", trafficPolicy, ...(workloadSelector === undefined ? {} : { workloadSelector }) };
			const snapshot = snapshotOf(aService("web"), aDestinationRule("d", spec), aSecret("client", data));
			return viewFor(snapshot, aProxy("x", { labels: { app: label } })).secrets.length;
		};
		assert.equal(namesFor(undefined, "a"), 0);
		assert.equal(namesFor({ matchLabels: { app: "a" } }, "a"), 1);
		assert.equal(namesFor({ matchLabels: { app: "a" } }, "b"), 0);
	});

	it("are told as a change of secrets and leave routing alone", () => {
		const start = snapshotOf(gateway("gw", [https("https", "*")]), aSecret("cert", data, { namespace: "infra" }));
		const before = viewFor(start, edge);
		const next = applyChanges(start, applied(aSecret("cert", { ...data, "tls.crt": "new" }, { namespace: "infra" })));
		assert.deepEqual(next.changed, { routing: false, endpoints: new Set(), secrets: true, policies: false });
		const after = viewFor(next.snapshot, edge);
		assert.equal(after.gateway, before.gateway);
		assert.equal(after.secrets[0]?.certificateChain, "new");
	});
});

describe("replicas of a gateway", () => {
	it("share one view", () => {
		const snapshot = snapshotOf(gateway("gw", [http("*")]), routes("v", { hosts: ["*"] }));
		const second = aProxy("edge-2", { ...edge, id: "other", name: "edge-2", ipAddresses: ["10.8.8.8"] });
		assert.equal(viewFor(snapshot, edge).gateway, viewFor(snapshot, second).gateway);
	});
});
