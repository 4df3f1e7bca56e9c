import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type HealthCheckAnswer, healthCheckAnswer } from "./health-check-answer.ts";
import { serviceOf, slice, written } from "./plan.testing.ts";

function answer(
	endpoints: readonly string[],
	more = "",
	isHealthy = true,
	family: "ipv4" | "ipv6" = "ipv4",
): HealthCheckAnswer {
	const service = serviceOf(written({ ports: "[{name: http, port: 80}, {name: admin, port: 81}]", endpoints, more }));
	assert.ok(service);
	return healthCheckAnswer(service, { name: "a" }, family, isHealthy);
}

const here = "{addresses: [10.244.1.5], nodeName: a}";
const there = "{addresses: [10.244.2.5], nodeName: b}";
const leaving = "{addresses: [10.244.1.6], nodeName: a, conditions: {ready: false, serving: true, terminating: true}}";

describe("the health-check node port", () => {
	it("says 200 and how many ready endpoints this node has", () => {
		const found = answer([here, there, "{addresses: [10.244.1.9], nodeName: a}"]);
		assert.equal(found.status, 200);
		assert.equal(found.headers["X-Load-Balancing-Endpoint-Weight"], "2");
		assert.deepEqual(JSON.parse(found.body), {
			service: { namespace: "shop", name: "web" },
			localEndpoints: 2,
			serviceProxyHealthy: true,
		});
	});

	it("says 503 where all endpoints are elsewhere or leaving, though those still serve", () => {
		assert.deepEqual(
			[answer([there]).status, answer([leaving]).status, answer([leaving]).localEndpoints],
			[503, 503, 0],
		);
	});

	it("says 503 while the node's rules are not up to date, and still counts", () => {
		const found = answer([here], "", false);
		assert.deepEqual([found.status, found.localEndpoints], [503, 1]);
		assert.equal(JSON.parse(found.body).serviceProxyHealthy, false);
	});

	it("counts an address once, however many ports it has", () => {
		const more = slice("web-2", [here], { ports: "[{name: admin, port: 9000}]" });
		assert.equal(answer([here], more).localEndpoints, 1);
	});

	it("counts each family for itself", () => {
		const more = slice("web-6", ['{addresses: ["fd00::5"], nodeName: a}', '{addresses: ["fd00::6"], nodeName: a}'], {
			type: "IPv6",
		});
		assert.equal(answer([here], more).localEndpoints, 1);
		assert.equal(answer([here], more, true, "ipv6").localEndpoints, 2);
	});
});
