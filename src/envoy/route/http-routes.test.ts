import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import type { ServiceView } from "../../model/view.ts";
import type { HttpMatch, HttpRoute } from "../../resources/kinds/networking.ts";
import { durationFromMs } from "../encode-resource.ts";
import {
	RedirectAction_RedirectResponseCode,
	type Route,
	type RouteAction,
	RouteSchema,
} from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { CorsPolicySchema } from "../gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts";
import { HTTPFaultSchema } from "../gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts";
import { port, rule, serviceView } from "../views.testing.ts";
import { httpRoutes } from "./http-routes.ts";
import { type RouteScope, servicesByHost } from "./route-scope.ts";

const host = "reviews.default.svc.cluster.local";
const toV1 = { destination: { host, subset: "v1" } };
const toV2 = { destination: { host, subset: "v2" } };

function scope(
	fields: Partial<RouteScope> = {},
	services: readonly ServiceView[] = [serviceView("reviews")],
): RouteScope {
	return { mesh: defaultMeshSettings, port: 9080, tls: false, services: servicesByHost(services), ...fields };
}

function routesOf(http: readonly HttpRoute[], context: RouteScope = scope()): readonly Route[] {
	return httpRoutes(rule([host], http), context).map(({ bytes }) => fromBinary(RouteSchema, bytes));
}

function routeOf(route: HttpRoute, context: RouteScope = scope()): Route {
	const [first] = routesOf([route], context);
	if (first === undefined) throw new Error("no route");
	return first;
}

function actionOf(route: HttpRoute, context: RouteScope = scope()): RouteAction {
	const { action } = routeOf(route, context);
	if (action.case !== "route") throw new Error(`the action is ${action.case}`);
	return action.value;
}

function clustersOf({ clusterSpecifier }: RouteAction): unknown {
	if (clusterSpecifier.case !== "weightedClusters") return clusterSpecifier.value;
	return clusterSpecifier.value.clusters.map(({ name, weight }) => [name, weight]);
}

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

describe("VirtualService rewrite", () => {
	it("uri, authority, uriRegexRewrite", () => {
		assert.equal(actionOf({ route: [toV1], rewrite: { uri: "/" } }).prefixRewrite, "/");
		const { hostRewriteSpecifier } = actionOf({ route: [toV1], rewrite: { authority: "a.example.com" } });
		assert.deepEqual(hostRewriteSpecifier, { case: "hostRewriteLiteral", value: "a.example.com" });
		const { regexRewrite } = actionOf({
			route: [toV1],
			rewrite: { uriRegexRewrite: { match: "^/a/(.*)", rewrite: "/\\1" } },
		});
		assert.deepEqual([regexRewrite?.pattern?.regex, regexRewrite?.substitution], ["^/a/(.*)", "/\\1"]);
	});
});

describe("VirtualService headers", () => {
	const operations = {
		request: { set: { b: "1", a: "2" }, add: { c: "3" }, remove: ["d", ":path"] },
		response: { set: { e: "4" }, add: { f: "5" }, remove: ["g", "host"] },
	};

	it("set overwrites, add appends, remove removes, in a fixed order", () => {
		const route = routeOf({ route: [toV1], headers: operations });
		const added = (list: Route["requestHeadersToAdd"]): unknown =>
			list.map(({ header, appendAction }) => [header?.key, header?.value, appendAction]);
		assert.deepEqual(added(route.requestHeadersToAdd), [
			["a", "2", 2],
			["b", "1", 2],
			["c", "3", 0],
		]);
		assert.deepEqual(added(route.responseHeadersToAdd), [
			["e", "4", 2],
			["f", "5", 0],
		]);
		assert.deepEqual([route.requestHeadersToRemove, route.responseHeadersToRemove], [["d"], ["g"]]);
	});

	it("of a sole destination come after the route's; of a weighted one they stay with it", () => {
		const own = { request: { add: { own: "1" } } };
		const sole = routeOf({ headers: { request: { add: { route: "1" } } }, route: [{ ...toV1, headers: own }] });
		assert.deepEqual(
			sole.requestHeadersToAdd.map(({ header }) => header?.key),
			["route", "own"],
		);
		const { clusterSpecifier } = actionOf({
			route: [
				{ ...toV1, weight: 1, headers: own },
				{ ...toV2, weight: 1 },
			],
		});
		const clusters = clusterSpecifier.case === "weightedClusters" ? clusterSpecifier.value.clusters : [];
		assert.deepEqual(
			clusters.map(({ requestHeadersToAdd }) => requestHeadersToAdd.length),
			[1, 0],
		);
	});

	it("setting :authority or host rewrites the host", () => {
		const set = (headers: Record<string, string>) => ({ request: { set: headers } });
		assert.equal(actionOf({ route: [toV1], headers: set({ ":authority": "a" }) }).hostRewriteSpecifier.value, "a");
		assert.equal(actionOf({ route: [{ ...toV1, headers: set({ Host: "b" }) }] }).hostRewriteSpecifier.value, "b");
		const { clusterSpecifier } = actionOf({
			route: [
				{ ...toV1, weight: 1, headers: set({ ":authority": "c" }) },
				{ ...toV2, weight: 1 },
			],
		});
		const [first] = clusterSpecifier.case === "weightedClusters" ? clusterSpecifier.value.clusters : [];
		assert.equal(first?.hostRewriteSpecifier.value, "c");
	});
});

describe("VirtualService redirect and directResponse", () => {
	const redirects = [
		[{ uri: "/new" }, 80, false, { pathRewriteSpecifier: "/new", portRedirect: 0 }],
		[{ authority: "a.example.com" }, 80, false, { hostRedirect: "a.example.com" }],
		[{ scheme: "https", port: 443 }, 80, false, { schemeRewriteSpecifier: "https", portRedirect: 0 }],
		[{ port: 8443 }, 80, false, { portRedirect: 8443 }],
		[{ derivePort: "FROM_REQUEST_PORT" }, 8080, false, { portRedirect: 8080 }],
		[{ derivePort: "FROM_REQUEST_PORT" }, 443, true, { portRedirect: 0 }],
		[{ derivePort: "FROM_PROTOCOL_DEFAULT" }, 8080, false, { portRedirect: 0 }],
		[{ redirectCode: 308 }, 80, false, { responseCode: RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT }],
	] as const;
	for (const [redirect, port, tls, expected] of redirects) {
		it(`redirect ${JSON.stringify(redirect)} on port ${port}${tls ? " with TLS" : ""}`, () => {
			const { action } = routeOf({ redirect }, scope({ port, tls }));
			assert.equal(action.case, "redirect");
			for (const [field, value] of Object.entries(expected)) {
				const found: unknown = action.case === "redirect" && action.value[field as keyof typeof action.value];
				assert.deepEqual(typeof found === "object" && found !== null && "value" in found ? found.value : found, value);
			}
		});
	}

	it("directResponse with a text, with bytes, with nothing", () => {
		const bodyOf = (directResponse: NonNullable<HttpRoute["directResponse"]>): unknown => {
			const { action } = routeOf({ directResponse });
			return action.case === "directResponse" && [action.value.status, action.value.body?.specifier.value];
		};
		assert.deepEqual(bodyOf({ status: 418, body: { string: "tea" } }), [418, "tea"]);
		assert.deepEqual(bodyOf({ status: 200, body: { bytes: "aGk=" } }), [200, new Uint8Array([104, 105])]);
		assert.deepEqual(bodyOf({ status: 503 }), [503, undefined]);
	});
});

describe("VirtualService fault and corsPolicy", () => {
	it("fault delay and abort configure the fault filter of the route", () => {
		const { typedPerFilterConfig } = routeOf({
			route: [toV1],
			fault: {
				delay: { fixedDelay: "7s", percentage: { value: 0.1 } },
				abort: { httpStatus: 555, percentage: { value: 100 } },
			},
		});
		const any = typedPerFilterConfig["envoy.filters.http.fault"];
		const fault = any && anyUnpack(any, HTTPFaultSchema);
		assert.deepEqual(fault?.delay?.faultDelaySecifier.value, durationFromMs(7000));
		assert.deepEqual([fault?.delay?.percentage?.numerator, fault?.delay?.percentage?.denominator], [1000, 2]);
		assert.deepEqual(fault?.abort?.errorType, { case: "httpStatus", value: 555 });
		assert.equal(fault?.abort?.percentage?.numerator, 1_000_000);
	});

	it("fault abort grpcStatus is a code; what Envoy cannot do is left out", () => {
		const abort = { grpcStatus: "UNAVAILABLE", percentage: { value: 1 } };
		const any = routeOf({ route: [toV1], fault: { abort } }).typedPerFilterConfig["envoy.filters.http.fault"];
		assert.deepEqual(any && anyUnpack(any, HTTPFaultSchema)?.abort?.errorType, { case: "grpcStatus", value: 14 });
		const unsupported = routeOf({ route: [toV1], fault: { abort: { http2Error: "REFUSED_STREAM" } } });
		assert.deepEqual(unsupported.typedPerFilterConfig, {});
	});

	it("corsPolicy configures the CORS filter of the route", () => {
		const { typedPerFilterConfig } = routeOf({
			route: [toV1],
			corsPolicy: {
				allowOrigins: [{ exact: "https://a.example.com" }, { regex: ".*" }],
				allowMethods: ["GET", "POST"],
				allowHeaders: ["x-a"],
				exposeHeaders: ["x-b"],
				maxAge: "24h",
				allowCredentials: true,
			},
		});
		const any = typedPerFilterConfig["envoy.filters.http.cors"];
		const cors = any && anyUnpack(any, CorsPolicySchema);
		assert.equal(cors?.allowOriginStringMatch.length, 2);
		assert.deepEqual([cors?.allowMethods, cors?.allowHeaders, cors?.exposeHeaders], ["GET,POST", "x-a", "x-b"]);
		assert.deepEqual([cors?.maxAge, cors?.allowCredentials, cors?.forwardNotMatchingPreflights], ["86400", true, true]);
		assert.equal(cors?.filterEnabled?.defaultValue?.numerator, 100);
	});
});
