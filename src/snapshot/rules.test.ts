import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDestinationRule, aMeshConfig, aProxy, applied, aService, aVirtualService } from "../model/model.testing.ts";
import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { AnyObject } from "../resources/config-object.ts";
import type { HttpMatch, HttpRoute } from "../resources/kinds/networking.ts";
import { problemsOf } from "./resource-status.ts";
import { applyChanges, emptySnapshot, type Snapshot } from "./snapshot.ts";
import { viewFor } from "./view-for.ts";

const snapshotOf = (...objects: readonly AnyObject[]): Snapshot =>
	applyChanges(emptySnapshot(), applied(...objects)).snapshot;
const rulesOf = (snapshot: Snapshot, proxy: MeshProxy = aProxy()) => viewFor(snapshot, proxy).outbound?.rules ?? [];
const to = (host: string): HttpRoute => ({ route: [{ destination: { host } }] });
const inNamespace = (namespace: string) => aProxy("x", { namespace });

describe("a VirtualService in the mesh", () => {
	it("has full names for its hosts, destinations and mirrors, told from its own namespace", () => {
		const http = [
			{ ...to("ratings"), mirror: { host: "mirror" }, mirrors: [{ destination: { host: "m.example.com" } }] },
		];
		const [rule] = rulesOf(
			snapshotOf(aVirtualService("v", { hosts: ["reviews", "*.example.com"], http }, { namespace: "ns" })),
		);
		assert.deepEqual(rule?.hosts, ["reviews.ns.svc.cluster.local", "*.example.com"]);
		assert.equal(rule?.http[0]?.route?.[0]?.destination.host, "ratings.ns.svc.cluster.local");
		assert.equal(rule?.http[0]?.mirror?.host, "mirror.ns.svc.cluster.local");
		assert.equal(rule?.http[0]?.mirrors?.[0]?.destination.host, "m.example.com");
	});

	it("loses a host to the oldest one that has it, whole, and keeps its other hosts", () => {
		const older = aVirtualService("zz", { hosts: ["reviews"], http: [to("old")] }, { createdMs: 1 });
		const newer = aVirtualService("aa", { hosts: ["reviews", "ratings"], http: [to("new")] }, { createdMs: 2 });
		const snapshot = snapshotOf(newer, older);
		assert.deepEqual(
			rulesOf(snapshot).map((rule) => [rule.source, rule.hosts]),
			[
				["VirtualService/default/zz", ["reviews.default.svc.cluster.local"]],
				["VirtualService/default/aa", ["ratings.default.svc.cluster.local"]],
			],
		);
		const [problem, ...others] = problemsOf(snapshot);
		assert.deepEqual([problem?.object, problem?.winner], ["VirtualService/default/aa", "VirtualService/default/zz"]);
		assert.match(problem?.because ?? "", /reviews\.default\.svc\.cluster\.local/);
		assert.deepEqual(others, []);
	});

	it("keeps its host from those who cannot see the older one, without a problem where nobody sees both", () => {
		const hosts = ["a.example.com"];
		const older = aVirtualService("v", { hosts, http: [to("one")], exportTo: ["."] }, { namespace: "one" });
		const newer = aVirtualService(
			"v",
			{ hosts, http: [to("two")], exportTo: ["."] },
			{ namespace: "two", createdMs: 1 },
		);
		const snapshot = snapshotOf(older, newer);
		const sources = (namespace: string) => rulesOf(snapshot, inNamespace(namespace)).map((rule) => rule.source);
		assert.deepEqual(sources("one"), ["VirtualService/one/v"]);
		assert.deepEqual(sources("two"), ["VirtualService/two/v"]);
		assert.deepEqual(sources("three"), []);
		assert.deepEqual(problemsOf(snapshot), []);
	});

	it("is not for the mesh when it names gateways only", () => {
		assert.deepEqual(
			rulesOf(snapshotOf(aVirtualService("v", { hosts: ["reviews"], gateways: ["edge"], http: [to("a")] }))),
			[],
		);
		assert.equal(
			rulesOf(snapshotOf(aVirtualService("v", { hosts: ["a"], gateways: ["edge", "mesh"], http: [to("a")] }))).length,
			1,
		);
	});

	it("follows the mesh's default exportTo where it has none", () => {
		const rule = aVirtualService("v", { hosts: ["a.example.com"], http: [to("a")] });
		const snapshot = snapshotOf(rule, aMeshConfig({ defaultVirtualServiceExportTo: ["."] }));
		assert.deepEqual([rulesOf(snapshot).length, rulesOf(snapshot, inNamespace("other")).length], [1, 0]);
	});
});

describe("conditions on the client", () => {
	const matchesSeenBy = (proxy: MeshProxy, ...match: readonly HttpMatch[]) =>
		rulesOf(
			snapshotOf(
				aVirtualService("v", { hosts: ["reviews"], gateways: ["mesh", "edge"], http: [{ match, ...to("a") }] }),
			),
			proxy,
		)[0]?.http.map((route) => route.match);

	it("are gone from the view when they hold, and so is the match when they do not", () => {
		const match: readonly HttpMatch[] = [
			{ sourceLabels: { app: "client" }, uri: { prefix: "/labels" } },
			{ sourceLabels: { app: "other" }, uri: { prefix: "/other" } },
			{ sourceNamespace: "default", uri: { prefix: "/namespace" } },
			{ sourceNamespace: "elsewhere", uri: { prefix: "/elsewhere" } },
			{ gateways: ["mesh"], uri: { prefix: "/mesh" } },
			{ gateways: ["edge"], uri: { prefix: "/edge" } },
			{ uri: { prefix: "/always" } },
		];
		assert.deepEqual(matchesSeenBy(aProxy("client"), ...match), [
			["/labels", "/namespace", "/mesh", "/always"].map((prefix) => ({ uri: { prefix } })),
		]);
	});

	it("make the route vanish when none of its matches is left", () => {
		assert.deepEqual(matchesSeenBy(aProxy("client"), { sourceLabels: { app: "other" } }), []);
	});

	it("leave an unconditional match behind when they were all that it asked", () => {
		assert.deepEqual(matchesSeenBy(aProxy("client"), { sourceLabels: { app: "client" } }), [[{}]]);
	});

	it("split the view of a namespace only between clients that they tell apart", () => {
		const match = [{ sourceLabels: { version: "v2" } }];
		const snapshot = snapshotOf(aVirtualService("v", { hosts: ["reviews"], http: [{ match, ...to("a") }, to("b")] }));
		const of = (name: string, labels: Record<string, string>) => viewFor(snapshot, aProxy(name, { labels })).outbound;
		assert.equal(of("a", { app: "a" }), of("b", { app: "b" }));
		assert.notEqual(of("a", { app: "a" }), of("c", { app: "c", version: "v2" }));
	});
});

describe("delegation", () => {
	const delegateTo = (name: string, match?: readonly HttpMatch[]): HttpRoute => ({
		...(match === undefined ? {} : { match }),
		delegate: { name, namespace: "team" },
	});
	const team = (http: readonly HttpRoute[]) => aVirtualService("part", { http }, { namespace: "team" });
	const root = (...http: readonly HttpRoute[]) => aVirtualService("root", { hosts: ["www.example.com"], http });

	it("puts the delegate's routes in the place of the root's, names told from the delegate's namespace", () => {
		const snapshot = snapshotOf(root(delegateTo("part"), to("rest")), team([to("a"), to("b")]));
		assert.deepEqual(
			rulesOf(snapshot)[0]?.http.map((route) => route.route?.[0]?.destination.host),
			["a.team.svc.cluster.local", "b.team.svc.cluster.local", "rest.default.svc.cluster.local"],
		);
		assert.deepEqual(problemsOf(snapshot), []);
	});

	it("joins what both match, and the root fills what the delegate leaves open", () => {
		const outer = { uri: { prefix: "/shop" }, headers: { "x-a": { exact: "1" } }, name: "outer" };
		const inner = { uri: { prefix: "/shop/cart" }, headers: { "x-b": { exact: "2" } }, name: "inner" };
		const rootRoute = { ...delegateTo("part", [outer]), name: "root", timeout: "5s", retries: { attempts: 1 } };
		const route = { ...to("a"), match: [inner], name: "own", timeout: "1s" };
		const merged = rulesOf(snapshotOf(root(rootRoute), team([route])))[0]?.http[0];
		assert.equal(merged?.name, "root-own");
		assert.equal(merged?.timeout, "1s");
		assert.deepEqual(merged?.retries, { attempts: 1 });
		assert.equal(merged?.delegate, undefined);
		assert.deepEqual(merged?.match, [
			{ name: "outer-inner", uri: { prefix: "/shop/cart" }, headers: { "x-a": { exact: "1" }, "x-b": { exact: "2" } } },
		]);
	});

	const conflicts: readonly (readonly [string, HttpMatch, HttpMatch])[] = [
		["a prefix outside the root's", { uri: { prefix: "/shop" } }, { uri: { prefix: "/admin" } }],
		["a prefix where the root is exact", { uri: { exact: "/shop" } }, { uri: { prefix: "/shop" } }],
		["another exact path", { uri: { exact: "/shop" } }, { uri: { exact: "/shop/cart" } }],
		["a regular expression beside a prefix", { uri: { prefix: "/shop" } }, { uri: { regex: "/shop.*" } }],
		["another method", { method: { exact: "GET" } }, { method: { exact: "POST" } }],
		["another value of a header", { headers: { a: { exact: "1" } } }, { headers: { a: { exact: "2" } } }],
		["another port", { port: 80 }, { port: 443 }],
		["another source namespace", { sourceNamespace: "default" }, { sourceNamespace: "two" }],
		["a label with another value", { sourceLabels: { app: "a" } }, { sourceLabels: { app: "b" } }],
		["a gateway that the root does not have", { gateways: ["mesh"] }, { gateways: ["mesh", "edge"] }],
	];
	for (const [name, outer, inner] of conflicts) {
		it(`drops the delegate's route and says so: ${name}`, () => {
			const snapshot = snapshotOf(
				root(delegateTo("part", [outer]), to("rest")),
				team([{ ...to("a"), match: [inner] }, to("b")]),
			);
			assert.deepEqual(
				problemsOf(snapshot).map((problem) => [problem.object, problem.winner]),
				[["VirtualService/team/part", "VirtualService/default/root"]],
			);
			assert.equal(snapshot.routing.virtualServices.prepared[0]?.http.length, 2);
		});
	}

	it("drops the root's route and says so when there is no such delegate, or none that it may use", () => {
		const hidden = aVirtualService("part", { http: [to("a")], exportTo: ["."] }, { namespace: "team" });
		for (const others of [[], [hidden]]) {
			const snapshot = snapshotOf(root(delegateTo("part"), to("rest")), ...others);
			assert.equal(rulesOf(snapshot)[0]?.http.length, 1);
			assert.deepEqual(
				problemsOf(snapshot).map((problem) => problem.object),
				["VirtualService/default/root"],
			);
		}
	});

	it("goes one level deep only", () => {
		const snapshot = snapshotOf(root(delegateTo("part")), team([{ delegate: { name: "deeper" } }]));
		assert.deepEqual(rulesOf(snapshot)[0]?.http, []);
		assert.ok(problemsOf(snapshot).some((problem) => problem.because.includes("cannot delegate")));
	});

	it("follows a delegate that changes", () => {
		const before = snapshotOf(root(delegateTo("part")), team([to("a")]));
		const after = applyChanges(before, applied(team([to("b")]))).snapshot;
		assert.equal(rulesOf(after)[0]?.http[0]?.route?.[0]?.destination.host, "b.team.svc.cluster.local");
	});
});

describe("the DestinationRule of a service", () => {
	const reviews = aService("reviews", {}, { namespace: "server" });
	const host = "reviews.server.svc.cluster.local";
	const rule = (namespace: string, spec: object = {}, name = "rule", createdMs = 0) =>
		aDestinationRule(name, { host, ...spec }, { namespace, createdMs });
	const sourcesSeenIn = (namespace: string, labels: Record<string, string>, ...rules: readonly AnyObject[]) =>
		viewFor(snapshotOf(reviews, ...rules), aProxy("x", { namespace, labels })).outbound?.services[0]?.destination
			?.sources;

	it("is looked up in the client's namespace, then the service's, then the root namespace", () => {
		const rules = ["client", "server", "istio-system"].map((namespace) => rule(namespace));
		assert.deepEqual(sourcesSeenIn("client", {}, ...rules), ["DestinationRule/client/rule"]);
		assert.deepEqual(sourcesSeenIn("client", {}, ...rules.slice(1)), ["DestinationRule/server/rule"]);
		assert.deepEqual(sourcesSeenIn("client", {}, ...rules.slice(2)), ["DestinationRule/istio-system/rule"]);
		assert.equal(sourcesSeenIn("client", {}, rule("elsewhere")), undefined);
	});

	it("is the one with the most specific host, but the nearer namespace goes first", () => {
		const wide = rule("client", { host: "*.local" }, "wide");
		const narrow = rule("client", { host: "*.server.svc.cluster.local" }, "narrow");
		assert.deepEqual(sourcesSeenIn("client", {}, wide, narrow), ["DestinationRule/client/narrow"]);
		assert.deepEqual(sourcesSeenIn("client", {}, wide, narrow, rule("client")), ["DestinationRule/client/rule"]);
		assert.deepEqual(sourcesSeenIn("client", {}, wide, rule("server")), ["DestinationRule/client/wide"]);
	});

	it("stays in its namespace when it is not exported", () => {
		const hidden = rule("server", { exportTo: ["."] });
		assert.equal(sourcesSeenIn("client", {}, hidden), undefined);
		assert.deepEqual(sourcesSeenIn("server", {}, hidden), ["DestinationRule/server/rule"]);
	});

	it("is for the selected workloads of its own namespace only when it has a selector", () => {
		const selecting = rule("client", { workloadSelector: { matchLabels: { app: "a" } } }, "selecting", 9);
		const plain = rule("client", {}, "plain");
		assert.deepEqual(sourcesSeenIn("client", { app: "a" }, selecting, plain), ["DestinationRule/client/selecting"]);
		assert.deepEqual(sourcesSeenIn("client", { app: "b" }, selecting, plain), ["DestinationRule/client/plain"]);
		const abroad = rule("server", { workloadSelector: { matchLabels: { app: "a" } } });
		assert.equal(sourcesSeenIn("client", { app: "a" }, abroad), undefined);
	});

	it("is merged with others of the same host: subsets joined, names and trafficPolicy from the oldest", () => {
		const first = rule("server", { subsets: [{ name: "v1", labels: { version: "v1" } }] }, "first", 1);
		const random = { loadBalancer: { simple: "RANDOM" } };
		const second = rule("server", { trafficPolicy: random, subsets: [{ name: "v2" }, { name: "v1" }] }, "second", 2);
		const third = rule("server", { trafficPolicy: { loadBalancer: { simple: "ROUND_ROBIN" } } }, "third", 3);
		const snapshot = snapshotOf(reviews, third, second, first);
		const destination = viewFor(snapshot, aProxy()).outbound?.services[0]?.destination;
		assert.deepEqual(destination?.subsets, [{ name: "v1", labels: { version: "v1" } }, { name: "v2" }]);
		assert.deepEqual(destination?.trafficPolicy, random);
		assert.deepEqual(
			problemsOf(snapshot).map((problem) => [problem.object, problem.winner]),
			[
				["DestinationRule/server/second", "DestinationRule/server/first"],
				["DestinationRule/server/third", "DestinationRule/server/second"],
			],
		);
	});
});
