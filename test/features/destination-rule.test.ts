// Fields of DestinationRule, as clients and servers see them through a real Envoy.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { endpoint, endpointsOf, endpointsView, outboundView, serviceView } from "../../src/envoy/views.testing.ts";
import type { Endpoint } from "../../src/model/endpoint.ts";
import type { TrafficPolicy } from "../../src/resources/kinds/networking.ts";
import {
	type Answer,
	type Ask,
	type RunningEnvoy,
	startEnvoy,
	startUpstream,
	type Upstream,
} from "./mesh-under-test.ts";

const eu = { region: "eu", zone: "a", subzone: "" };
const us = { region: "us", zone: "a", subzone: "" };

/** Which of the servers are behind a service, and how. */
type Behind = (servers: readonly Endpoint[]) => readonly Endpoint[];

const services: Readonly<Record<string, readonly [TrafficPolicy, Behind]>> = {
	"round-robin": [{ loadBalancer: { simple: "ROUND_ROBIN" } }, ([a, b]) => present(a, b)],
	"hash-header": [{ loadBalancer: { consistentHash: { httpHeaderName: "user" } } }, ([a, b]) => present(a, b)],
	"hash-query": [
		{ loadBalancer: { consistentHash: { httpQueryParameterName: "id", maglev: { tableSize: 101 } } } },
		([a, b]) => present(a, b),
	],
	"hash-cookie": [
		{ loadBalancer: { consistentHash: { httpCookie: { name: "stay", path: "/", ttl: "1h" } } } },
		([a, b]) => present(a, b),
	],
	outlier: [
		{
			loadBalancer: { simple: "ROUND_ROBIN" },
			outlierDetection: { consecutive5xxErrors: 2, baseEjectionTime: "30s", maxEjectionPercent: 100 },
		},
		([a, , bad]) => present(a, bad),
	],
	"no-outlier": [{ loadBalancer: { simple: "ROUND_ROBIN" } }, ([a, , bad]) => present(a, bad)],
	pool: [{ connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } } }, ([a]) => present(a)],
	"one-request": [{ connectionPool: { http: { maxRequestsPerConnection: 1 } } }, ([a]) => present(a)],
	reused: [{}, ([a]) => present(a)],
	failover: [{ outlierDetection: {} }, ([a, b]) => [at(a, us), at(b, eu)]],
	"failed-over": [{ outlierDetection: {} }, ([a, b]) => [at(a, us), { ...at(b, eu), health: "unhealthy" }]],
	distribute: [
		{ loadBalancer: { localityLbSetting: { distribute: [{ from: "eu/*", to: { "eu/*": 80, "us/*": 20 } }] } } },
		([a, b]) => [at(a, us), at(b, eu)],
	],
	unready: [{}, ([a, b]) => [...present(a), ...present(b).map((one) => ({ ...one, health: "unhealthy" as const }))]],
	draining: [{}, ([a, b]) => [...present(a), ...present(b).map((one) => ({ ...one, health: "draining" as const }))]],
	"none-ready": [{}, ([a]) => present(a).map((one) => ({ ...one, health: "unhealthy" as const }))],
};

function present(...endpoints: readonly (Endpoint | undefined)[]): readonly Endpoint[] {
	return endpoints.flatMap((one) => one ?? []);
}

function at(one: Endpoint | undefined, locality: Endpoint["locality"]): Endpoint {
	return { ...(one ?? endpoint("127.0.0.1")), locality };
}

describe("DestinationRule through Envoy", () => {
	const upstreams: Upstream[] = [];
	let envoy: RunningEnvoy | undefined;

	before(async () => {
		upstreams.push(await startUpstream("a"), await startUpstream("b"), await startUpstream("bad", "fails"));
		const servers = upstreams.map(({ port }) => endpoint("127.0.0.1", { port }));
		const views = Object.entries(services).map(([name, [trafficPolicy]]) =>
			serviceView(name, { addresses: [] }, { trafficPolicy }),
		);
		const endpoints = views.map((view) => endpointsOf(view, services[view.service.name]?.[1](servers) ?? []));
		envoy = await startEnvoy(outboundView(views), endpointsView(endpoints, { locality: eu }), "9080");
	});

	after(async () => {
		await envoy?.close();
		for (const upstream of upstreams) await upstream.close();
	});

	const ask = async (name: string, what: Ask = {}): Promise<Answer> => {
		assert.ok(envoy);
		return await envoy.ask(name, what);
	};
	const askMany = async (name: string, count: number, what: (index: number) => Ask = () => ({})): Promise<Answer[]> => {
		const answers: Answer[] = [];
		for (let i = 0; i < count; i++) answers.push(await ask(name, what(i)));
		return answers;
	};
	const countOf = (answers: readonly Answer[], server: string): number =>
		answers.filter(({ seen }) => seen?.server === server).length;

	it("loadBalancer.simple ROUND_ROBIN takes turns", async () => {
		const answers = await askMany("round-robin", 20);
		assert.deepEqual([countOf(answers, "a"), countOf(answers, "b")], [10, 10]);
	});

	const hashes = [
		["hash-header", (key: string): Ask => ({ headers: { user: key } })],
		["hash-query", (key: string): Ask => ({ path: `/?id=${key}` })],
	] as const;
	for (const [name, keyed] of hashes) {
		it(`loadBalancer.consistentHash: ${name} keeps a key with its server, and spreads keys`, async () => {
			const byKey = new Map<string, Set<string | undefined>>();
			for (let i = 0; i < 60; i++) {
				const key = `user-${i % 20}`;
				const server = (await ask(name, keyed(key))).seen?.server;
				byKey.set(key, (byKey.get(key) ?? new Set()).add(server));
			}
			assert.ok([...byKey.values()].every((servers) => servers.size === 1));
			assert.equal(new Set([...byKey.values()].flatMap((servers) => [...servers])).size, 2);
		});
	}

	it("loadBalancer.consistentHash.httpCookie gives the client a cookie, and keeps to it", async () => {
		const first = await ask("hash-cookie");
		const [cookie = ""] = first.headers["set-cookie"] ?? [];
		assert.match(cookie, /^stay=.+Max-Age=3600; Path=\//);
		const again = await askMany("hash-cookie", 10, () => ({ headers: { cookie: cookie.split(";")[0] ?? "" } }));
		assert.equal(countOf(again, first.seen?.server ?? ""), 10);
	});

	it("outlierDetection takes a failing server out; without it the failures go on", async () => {
		const statusesOf = async (requests: number) =>
			(await askMany("outlier", requests)).map(({ status }) => status).filter((status) => status !== 200);
		// Two in a row eject it for 30 s; Envoy's workers hear of that a moment later.
		const failed = [];
		do failed.push(await statusesOf(10));
		while (failed.at(-1)?.length !== 0 && failed.length < 10);
		assert.ok(failed.flat().length >= 2, `${failed}`);
		assert.ok(failed.flat().every((status) => status === 503));
		assert.deepEqual(await statusesOf(20), []);
		const without = await askMany("no-outlier", 20);
		assert.equal(without.filter(({ status }) => status === 503).length, 10);
	});

	it("connectionPool: what is over maxConnections and http1MaxPendingRequests fails at once", async () => {
		const answers = await Promise.all(Array.from({ length: 5 }, () => ask("pool", { path: "/slow" })));
		const refused = answers.filter(({ status }) => status === 503);
		assert.equal(refused.length, 3);
		assert.ok(refused.every(({ headers, tookMs }) => headers["x-envoy-overloaded"] === "true" && tookMs < 500));
	});

	it("connectionPool.http.maxRequestsPerConnection opens a connection for each request", async () => {
		const connections = async (name: string): Promise<number> =>
			new Set((await askMany(name, 5)).map(({ seen }) => seen?.clientPort)).size;
		assert.equal(await connections("one-request"), 5);
		assert.equal(await connections("reused"), 1);
	});

	it("localityLbSetting: requests stay near while a near server is healthy, and leave when none is", async () => {
		assert.equal(countOf(await askMany("failover", 20), "b"), 20);
		assert.equal(countOf(await askMany("failed-over", 20), "a"), 20);
	});

	it("localityLbSetting.distribute shares out by weight", async () => {
		const far = countOf(await askMany("distribute", 500), "a");
		// Six standard deviations around 100.
		assert.ok(far > 46 && far < 154, `${far} of 500 to us`);
	});

	it("servers that are not ready, or on their way out, get nothing; with none left the answer is 503", async () => {
		assert.equal(countOf(await askMany("unready", 10), "a"), 10);
		assert.equal(countOf(await askMany("draining", 10), "a"), 10);
		assert.equal((await ask("none-ready")).status, 503);
	});
});
