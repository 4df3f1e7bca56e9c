import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { HttpMatch, HttpRoute } from "../../resources/kinds/networking.ts";
import { durationFromMs } from "../encode-resource.ts";
import { port, serviceView } from "../views.testing.ts";

import { actionOf, clustersOf, host, routeOf, routesOf, scope, toV1, toV2 } from "./routes.testing.ts";

describe("VirtualService http", () => {
	it("gives one route for each match, named after the route and the match", () => {
		const routes = routesOf([
			{ name: "a", match: [{ name: "x", uri: { exact: "/x" } }, { uri: { exact: "/y" } }], route: [toV1] },
			{ route: [toV2] },
		]);
		assert.deepEqual(
			routes.map(({ name }) => name),
			["a.x", "a", ""],
		);
	});

	it("ends with the first route that takes every request", () => {
		assert.equal(routesOf([{ route: [toV1] }, { route: [toV2] }]).length, 1);
		assert.equal(routesOf([{ match: [{ uri: { prefix: "/" } }], route: [toV1] }, { route: [toV2] }]).length, 1);
		const guarded: HttpMatch = { uri: { prefix: "/" }, headers: { a: {} } };
		assert.equal(routesOf([{ match: [guarded], route: [toV1] }, { route: [toV2] }]).length, 2);
	});

	it("names the rule in the metadata and the destination in the operation", () => {
		const route = routeOf({ match: [{ uri: { prefix: "/api" } }], route: [toV1] });
		assert.deepEqual(route.metadata?.filterMetadata.istio, {
			config: "/apis/networking.istio.io/v1alpha3/namespaces/default/virtual-service/rule",
		});
		assert.equal(route.decorator?.operation, `${host}:9080/api*`);
	});
});

describe("VirtualService match", () => {
	const uris = [
		[{ exact: "/a" }, "path", "/a"],
		[{ prefix: "/a" }, "prefix", "/a"],
		[{ prefix: "/a/" }, "prefix", "/a/"],
		[{}, "prefix", "/"],
	] as const;
	for (const [uri, kind, value] of uris) {
		it(`uri ${JSON.stringify(uri)}`, () => {
			const { match } = routeOf({ match: [{ uri }], route: [toV1] });
			assert.deepEqual(match?.pathSpecifier, { case: kind, value });
			assert.equal(match?.caseSensitive, true);
		});
	}

	it("uri regex, and ignoreUriCase", () => {
		const { match } = routeOf({ match: [{ uri: { regex: "/v[0-9]" }, ignoreUriCase: true }], route: [toV1] });
		assert.equal(match?.pathSpecifier.case === "safeRegex" && match.pathSpecifier.value.regex, "/v[0-9]");
		assert.equal(match?.caseSensitive, false);
	});

	it("headers: exact, prefix, regex; an empty match or the regex * means present", () => {
		const headers = {
			e: { exact: "1" },
			p: { prefix: "2" },
			r: { regex: "3" },
			x: {},
			y: { regex: "*" },
			z: { prefix: "" },
		};
		const { match } = routeOf({ match: [{ headers }], route: [toV1] });
		assert.deepEqual(
			match?.headers.map(({ name, headerMatchSpecifier: specifier, invertMatch }) => [
				name,
				specifier.case === "stringMatch" ? specifier.value.matchPattern.case : specifier.case,
				invertMatch,
			]),
			[
				["e", "exact", false],
				["p", "prefix", false],
				["r", "safeRegex", false],
				["x", "presentMatch", false],
				["y", "presentMatch", false],
				["z", "presentMatch", false],
			],
		);
	});

	it("withoutHeaders: an absent header counts as not matching", () => {
		const { match } = routeOf({ match: [{ withoutHeaders: { a: { exact: "1" }, b: {} } }], route: [toV1] });
		assert.deepEqual(
			match?.headers.map(({ name, invertMatch, treatMissingHeaderAsEmpty }) => [
				name,
				invertMatch,
				treatMissingHeaderAsEmpty,
			]),
			[
				["a", true, true],
				["b", true, false],
			],
		);
	});

	it("method, authority, scheme are Envoy's pseudo headers", () => {
		const one = { method: { exact: "GET" }, authority: { prefix: "a" }, scheme: { exact: "http" } };
		const { match } = routeOf({ match: [one], route: [toV1] });
		assert.deepEqual(
			match?.headers.map(({ name }) => name),
			[":method", ":authority", ":scheme"],
		);
	});

	it("queryParams, and statPrefix", () => {
		const route = routeOf({ match: [{ queryParams: { b: {}, a: { exact: "1" } }, statPrefix: "s" }], route: [toV1] });
		assert.deepEqual(
			route.match?.queryParameters.map(({ name, queryParameterMatchSpecifier }) => [
				name,
				queryParameterMatchSpecifier.case,
			]),
			[
				["a", "stringMatch"],
				["b", "presentMatch"],
			],
		);
		assert.equal(route.statPrefix, "s");
	});

	it("port: only the table of that port", () => {
		assert.equal(routesOf([{ match: [{ port: 9080 }], route: [toV1] }]).length, 1);
		assert.equal(routesOf([{ match: [{ port: 80 }], route: [toV1] }]).length, 0);
	});

	it("on claims of tokens never holds, rather than always", () => {
		const match = [{ headers: { "@request.auth.claims.group": { exact: "admin" } } }];
		assert.equal(routesOf([{ match, route: [toV1] }]).length, 0);
	});
});

describe("VirtualService route", () => {
	it("a sole destination is the cluster, whatever its weight", () => {
		assert.equal(clustersOf(actionOf({ route: [{ ...toV1, weight: 0 }] })), `outbound|9080|v1|${host}`);
	});

	it("weights go as they are; destinations of weight 0 are dropped", () => {
		const route = [
			{ ...toV1, weight: 90 },
			{ ...toV2, weight: 10 },
			{ destination: { host, subset: "v3" }, weight: 0 },
		];
		assert.deepEqual(clustersOf(actionOf({ route })), [
			[`outbound|9080|v1|${host}`, 90],
			[`outbound|9080|v2|${host}`, 10],
		]);
	});

	it("without any weight answers 500 instead of falling to later routes", () => {
		const { action } = routeOf({ route: [{ ...toV1, weight: 0 }, toV2] });
		assert.equal(action.case === "directResponse" && action.value.status, 500);
	});

	const several = serviceView("several", { ports: [port(80), port(81)] });
	const single = serviceView("single", { ports: [port(8000)] });
	const ports = [
		["the rule's port", { host: "several.default.svc.cluster.local", port: { number: 81 } }, 81],
		["the only port of the service", { host: "single.default.svc.cluster.local" }, 8000],
		["the request's port where the service has several", { host: "several.default.svc.cluster.local" }, 9080],
		["the request's port for unknown hosts", { host: "unknown.example.com" }, 9080],
	] as const;
	for (const [title, destination, expected] of ports) {
		it(`goes to ${title}`, () => {
			const action = actionOf({ route: [{ destination }] }, scope({}, [several, single]));
			assert.equal(clustersOf(action), `outbound|${expected}||${destination.host}`);
		});
	}

	it("timeout: none by default", () => {
		assert.deepEqual(actionOf({ route: [toV1] }).timeout, durationFromMs(0));
		const action = actionOf({ route: [toV1], timeout: "1.5s" });
		assert.deepEqual(action.timeout, durationFromMs(1500));
		assert.equal(action.maxStreamDuration, undefined, "it would turn the timeout off");
		assert.equal(action.maxGrpcTimeout, undefined);
		const grpc = scope({}, [serviceView("reviews", { ports: [port(9080, "GRPC")] })]);
		const deadline = actionOf({ route: [toV1], timeout: "1.5s" }, grpc).maxGrpcTimeout;
		assert.deepEqual(deadline, durationFromMs(1500));
	});

	it("mirror and mirrors: all requests by default, none at 0 %", () => {
		const policies = (fields: Partial<HttpRoute>): unknown =>
			actionOf({ route: [toV1], ...fields }).requestMirrorPolicies.map(({ cluster, runtimeFraction, traceSampled }) => [
				cluster.split("|")[2],
				runtimeFraction?.defaultValue?.numerator,
				runtimeFraction?.defaultValue?.denominator,
				traceSampled,
			]);
		const mirror = toV2.destination;
		assert.deepEqual(policies({ mirror }), [["v2", 100, 0, false]]);
		assert.deepEqual(policies({ mirror, mirrorPercentage: { value: 0.5 } }), [["v2", 5000, 2, false]]);
		assert.deepEqual(policies({ mirror, mirrorPercent: 30 }), [["v2", 30, 0, false]]);
		assert.deepEqual(policies({ mirror, mirrorPercentage: { value: 0 } }), []);
		const mirrors = [{ destination: mirror, percentage: { value: 1 } }, { destination: toV1.destination }];
		assert.deepEqual(policies({ mirrors }), [
			["v2", 10_000, 2, false],
			["v1", 100, 0, false],
		]);
	});

	it("consistentHash of the destination's rule: subset before service, port before all", () => {
		const hashing = serviceView(
			"reviews",
			{},
			{
				trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: "of-service" } } },
				subsets: [
					{ name: "v1", trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true } } } },
					{ name: "v2" },
				],
			},
		);
		const hashes = (route: HttpRoute["route"]): unknown =>
			actionOf({ route }, scope({}, [hashing])).hashPolicy.map(({ policySpecifier }) => policySpecifier.case);
		assert.deepEqual(hashes([toV1]), ["connectionProperties"]);
		assert.deepEqual(hashes([toV2]), ["header"]);
		assert.deepEqual(
			hashes([
				{ ...toV1, weight: 1 },
				{ ...toV2, weight: 1 },
			]),
			["connectionProperties", "header"],
		);
		const retries = actionOf({ route: [toV1] }, scope({}, [hashing])).retryPolicy;
		assert.deepEqual(retries?.retryHostPredicate, []);
	});
});
