import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import type { HttpRoute } from "../../resources/kinds/networking.ts";
import { durationFromMs } from "../encode-resource.ts";
import { RedirectAction_RedirectResponseCode, type Route } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { CorsPolicySchema } from "../gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts";
import { HTTPFaultSchema } from "../gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts";

import { actionOf, routeOf, scope, toV1, toV2 } from "./routes.testing.ts";

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
