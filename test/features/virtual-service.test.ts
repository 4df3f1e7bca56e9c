// Each field of VirtualService's http section, as a client sees it through a real Envoy.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
	endpoint,
	endpointsOf,
	endpointsView,
	outboundView,
	rule,
	serviceView,
} from "../../src/envoy/views.testing.ts";
import type { HttpMatch, HttpRoute } from "../../src/resources/kinds/networking.ts";
import {
	type Answer,
	type Ask,
	type RunningEnvoy,
	startEnvoy,
	startUpstream,
	type Upstream,
} from "./mesh-under-test.ts";

interface Case {
	readonly field: string;
	readonly http: (host: string) => readonly HttpRoute[];
	readonly sends: readonly (readonly [Ask, (answer: Answer) => unknown, unknown])[];
}

const server = (answer: Answer): unknown => answer.seen?.server ?? answer.status;
const path = (answer: Answer): unknown => answer.seen?.path;
const seenHeader =
	(name: string) =>
	(answer: Answer): unknown =>
		answer.seen?.headers[name];
const header =
	(name: string) =>
	(answer: Answer): unknown =>
		answer.headers[name];
const status = (answer: Answer): unknown => answer.status;

const to = (host: string, subset: string) => ({ destination: { host, subset } });

/** What matches goes to v2, all the rest to v1. */
const matching =
	(...match: HttpMatch[]) =>
	(host: string): readonly HttpRoute[] => [{ match, route: [to(host, "v2")] }, { route: [to(host, "v1")] }];

/** All to v1, with these settings. */
const with1 =
	(fields: Partial<HttpRoute>) =>
	(host: string): readonly HttpRoute[] => [{ route: [to(host, "v1")], ...fields }];

const cases: readonly Case[] = [
	{
		field: "match.uri.prefix",
		http: matching({ uri: { prefix: "/api" } }),
		sends: [
			[{ path: "/api" }, server, "v2"],
			[{ path: "/apis/x" }, server, "v2"],
			[{ path: "/API" }, server, "v1"],
		],
	},
	{
		field: "match.uri.exact",
		http: matching({ uri: { exact: "/api" } }),
		sends: [
			[{ path: "/api?x=1" }, server, "v2"],
			[{ path: "/api/" }, server, "v1"],
		],
	},
	{
		field: "match.uri.regex",
		http: matching({ uri: { regex: "/v[0-9]+/.*" } }),
		sends: [
			[{ path: "/v12/x" }, server, "v2"],
			[{ path: "/v/x" }, server, "v1"],
		],
	},
	{
		field: "match.ignoreUriCase",
		http: matching({ uri: { prefix: "/api" }, ignoreUriCase: true }),
		sends: [[{ path: "/API/x" }, server, "v2"]],
	},
	{
		field: "match.headers",
		http: matching({ headers: { user: { exact: "jason" }, "x-a": { prefix: "1" }, "x-b": {} } }),
		sends: [
			[{ headers: { user: "jason", "x-a": "12", "x-b": "?" } }, server, "v2"],
			[{ headers: { user: "jason", "x-a": "12" } }, server, "v1"],
			[{ headers: { user: "json", "x-a": "12", "x-b": "?" } }, server, "v1"],
		],
	},
	{
		field: "match.withoutHeaders",
		http: matching({ withoutHeaders: { beta: { exact: "no" }, off: {} } }),
		sends: [
			[{}, server, "v2"],
			[{ headers: { beta: "no" } }, server, "v1"],
			[{ headers: { beta: "yes" } }, server, "v2"],
			[{ headers: { off: "1" } }, server, "v1"],
		],
	},
	{
		field: "match.method, match.authority, match.scheme",
		http: matching({ method: { exact: "PUT" }, authority: { regex: "method.*" }, scheme: { exact: "http" } }),
		sends: [
			[{ method: "PUT" }, server, "v2"],
			[{}, server, "v1"],
		],
	},
	{
		field: "match.queryParams",
		http: matching({ queryParams: { page: { exact: "1" }, all: {} } }),
		sends: [
			[{ path: "/?page=1&all" }, server, "v2"],
			[{ path: "/?page=2&all" }, server, "v1"],
			[{ path: "/?page=1" }, server, "v1"],
		],
	},
	{
		field: "headers.request",
		http: with1({ headers: { request: { set: { "x-set": "new" }, add: { "x-add": "more" }, remove: ["x-gone"] } } }),
		sends: [
			[{ headers: { "x-set": "old" } }, seenHeader("x-set"), "new"],
			[{ headers: { "x-add": "one" } }, seenHeader("x-add"), "one, more"],
			[{ headers: { "x-gone": "1" } }, seenHeader("x-gone"), undefined],
		],
	},
	{
		field: "headers.response",
		http: with1({ headers: { response: { set: { "x-server": "hidden" }, remove: ["content-type"] } } }),
		sends: [
			[{}, header("x-server"), "hidden"],
			[{}, header("content-type"), undefined],
		],
	},
	{
		field: "rewrite.uri",
		http: with1({ match: [{ uri: { prefix: "/old/" } }], rewrite: { uri: "/new/" } }),
		sends: [[{ path: "/old/a?b=1" }, path, "/new/a?b=1"]],
	},
	{
		field: "rewrite.uri of an exact match",
		http: with1({ match: [{ uri: { exact: "/old" } }], rewrite: { uri: "/" } }),
		sends: [[{ path: "/old" }, path, "/"]],
	},
	{
		field: "rewrite.uriRegexRewrite",
		http: with1({ rewrite: { uriRegexRewrite: { match: "^/a/([^/]+)/(.*)$", rewrite: "/\\2/\\1" } } }),
		sends: [[{ path: "/a/b/c" }, path, "/c/b"]],
	},
	{
		field: "rewrite.authority",
		http: with1({ rewrite: { authority: "other.example.com" } }),
		sends: [[{}, seenHeader("host"), "other.example.com"]],
	},
	{
		field: "redirect",
		http: with1({ route: [], redirect: { uri: "/there", authority: "new.example.com", redirectCode: 307 } }),
		sends: [
			[{ path: "/here" }, status, 307],
			[{ path: "/here" }, header("location"), "http://new.example.com/there"],
		],
	},
	{
		field: "redirect.scheme and port",
		http: with1({ route: [], redirect: { scheme: "https", authority: "s.example.com", port: 8443 } }),
		sends: [[{ path: "/x" }, header("location"), "https://s.example.com:8443/x"]],
	},
	{
		field: "directResponse",
		http: with1({ route: [], directResponse: { status: 418, body: { string: "short and stout" } } }),
		sends: [
			[{}, status, 418],
			[{}, (answer) => answer.body, "short and stout"],
		],
	},
	{
		field: "fault.abort.httpStatus",
		http: with1({ fault: { abort: { httpStatus: 555, percentage: { value: 100 } } } }),
		sends: [[{}, status, 555]],
	},
	{
		field: "fault.abort.grpcStatus",
		http: with1({ fault: { abort: { grpcStatus: "UNAVAILABLE", percentage: { value: 100 } } } }),
		sends: [[{ headers: { "content-type": "application/grpc" } }, header("grpc-status"), "14"]],
	},
	{
		field: "fault.delay",
		http: with1({ fault: { delay: { fixedDelay: "300ms", percentage: { value: 100 } } } }),
		sends: [[{}, (answer) => answer.tookMs >= 290 && answer.tookMs < 900, true]],
	},
	{ field: "timeout", http: with1({ timeout: "100ms" }), sends: [[{ path: "/slow" }, status, 504]] },
	{
		field: "retries.attempts and retryOn",
		http: with1({ retries: { attempts: 2, retryOn: "503", backoff: "1ms" } }),
		sends: [[{ path: "/flaky/enough" }, seenHeader("x-envoy-attempt-count"), "3"]],
	},
	{
		field: "retries.attempts too few",
		http: with1({ retries: { attempts: 1, retryOn: "503", backoff: "1ms" } }),
		sends: [[{ path: "/flaky/short" }, status, 503]],
	},
	{
		field: "retries.perTryTimeout",
		http: with1({ retries: { attempts: 1, perTryTimeout: "50ms", retryOn: "reset", backoff: "1ms" } }),
		sends: [[{ path: "/slow" }, status, 504]],
	},
	{
		field: "no retries of answers by default",
		http: with1({}),
		sends: [[{ path: "/flaky/default" }, status, 503]],
	},
	{
		field: "corsPolicy",
		http: with1({
			corsPolicy: { allowOrigins: [{ exact: "https://a.example.com" }], allowMethods: ["GET"], maxAge: "1h" },
		}),
		sends: [
			[preflight("https://a.example.com"), header("access-control-allow-origin"), "https://a.example.com"],
			[preflight("https://a.example.com"), header("access-control-max-age"), "3600"],
			[preflight("https://b.example.com"), header("access-control-allow-origin"), undefined],
		],
	},
];

function preflight(origin: string): Ask {
	return { method: "OPTIONS", headers: { origin, "access-control-request-method": "GET" } };
}

describe("VirtualService through Envoy", () => {
	const upstreams: Upstream[] = [];
	let envoy: RunningEnvoy | undefined;
	const names = cases.map((_, index) => (index === 6 ? "method" : `case-${index}`));
	const hostOf = (name: string): string => `${name}.default.svc.cluster.local`;

	before(async () => {
		upstreams.push(await startUpstream("v1"), await startUpstream("v2"));
		const endpoints = upstreams.map(({ port }, index) =>
			endpoint("127.0.0.1", { port, labels: { version: `v${index + 1}` } }),
		);
		const subsets = ["v1", "v2"].map((version) => ({ name: version, labels: { version } }));
		const services = [...names, "weights", "mirror"].map((name) => serviceView(name, { addresses: [] }, { subsets }));
		const rules = [
			...cases.map(({ http }, index) => rule([hostOf(names[index] ?? "")], http(hostOf(names[index] ?? "")))),
			rule(
				[hostOf("weights")],
				[
					{
						route: [
							{ ...to(hostOf("weights"), "v1"), weight: 90 },
							{ ...to(hostOf("weights"), "v2"), weight: 10 },
						],
					},
				],
			),
			rule(
				[hostOf("mirror")],
				[{ route: [to(hostOf("mirror"), "v1")], mirror: to(hostOf("mirror"), "v2").destination }],
			),
		];
		const view = outboundView(services, rules);
		envoy = await startEnvoy(view, endpointsView(services.map((one) => endpointsOf(one, endpoints))), "9080");
	});

	after(async () => {
		await envoy?.close();
		for (const upstream of upstreams) await upstream.close();
	});

	const ask = async (name: string, what: Ask = {}): Promise<Answer> => {
		assert.ok(envoy);
		return await envoy.ask(name, what);
	};

	for (const [index, { field, sends }] of cases.entries()) {
		it(field, async () => {
			for (const [what, read, expected] of sends) {
				assert.equal(read(await ask(names[index] ?? "", what)), expected, JSON.stringify(what));
			}
		});
	}

	it("route weights", async () => {
		let ofV2 = 0;
		for (let i = 0; i < 1000; i++) if ((await ask("weights")).seen?.server === "v2") ofV2++;
		// Six standard deviations around 100.
		assert.ok(ofV2 > 43 && ofV2 < 157, `${ofV2} of 1000 to v2`);
	});

	it("mirror", async () => {
		const answer = await ask("mirror", { path: "/mirrored" });
		assert.equal(answer.seen?.server, "v1");
		for (let i = 0; i < 100 && !upstreams[1]?.requests.has("/mirrored"); i++) {
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
		assert.equal(upstreams[1]?.requests.get("/mirrored"), 1);
	});

	it("a host by its short name, with its port, and in any case", async () => {
		for (const name of ["case-0", "case-0.default", "CASE-0.default.svc:9080", `${hostOf("case-0")}:80`]) {
			assert.equal((await ask(name, { path: "/api" })).seen?.server, "v2", name);
		}
	});
});
