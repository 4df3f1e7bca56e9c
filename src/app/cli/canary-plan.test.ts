import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Manifest } from "../api/api-types.ts";
import { parseWeights, planCanary, type VersionWeight, versionsNobodyHas } from "./canary-plan.ts";

const target = { service: "reviews", namespace: "default", domain: "cluster.local" };
const weights: readonly VersionWeight[] = [
	{ version: "v1", weight: 90 },
	{ version: "v2", weight: 10 },
];
const route = (host: string) => [
	{ destination: { host, subset: "v1" }, weight: 90 },
	{ destination: { host, subset: "v2" }, weight: 10 },
];

function manifest(kind: string, name: string, spec: object, namespace = "default"): Manifest {
	return { apiVersion: "networking.istio.io/v1", kind, metadata: { name, namespace }, spec };
}

describe("canary weights", () => {
	for (const [texts, because] of [
		[["v1=90", "v2=11"], "the weights add up to 101, not to 100"],
		[["v1=50", "v1=50"], "v1 is given twice"],
		[["v1:100"], '"v1:100" is not VERSION=WEIGHT'],
		[["v1=-5", "v2=105"], '"v1=-5" is not VERSION=WEIGHT'],
		[[], "the weights add up to 0, not to 100"],
	] as const) {
		it(`refuses ${texts.join(" ") || "none"}`, () => assert.deepEqual(parseWeights(texts), { ok: false, because }));
	}
	it("takes a whole 100, with or without percent signs", () => {
		assert.deepEqual(parseWeights(["v1=90%", "v2=10"]), { ok: true, weights });
	});
});

describe("a version that nobody has", () => {
	const service = manifest("Service", "reviews", { selector: { app: "reviews" } });
	const pod = (app: string, version: string): Manifest => {
		const made = manifest("Pod", `${app}-${version}`, {});
		return { ...made, metadata: { ...made.metadata, labels: { app, version } } };
	};
	const missing = (added: readonly string[], pods: readonly Manifest[], wanted = weights) =>
		versionsNobodyHas(service, wanted, added, pods);

	it("is named before traffic goes there, when its subset is new", () => {
		assert.deepEqual(missing(["v1", "v2"], [pod("reviews", "v1"), pod("details", "v2")]), ["v2"]);
		assert.deepEqual(missing(["v1", "v2"], [pod("reviews", "v1"), pod("reviews", "v2")]), []);
	});

	it("is taken when a subset that is there says what it is, when it gets nothing, or before anything runs", () => {
		assert.deepEqual(missing([], [pod("reviews", "v1")]), []);
		const none = [
			{ version: "v1", weight: 100 },
			{ version: "v2", weight: 0 },
		];
		assert.deepEqual(missing(["v2"], [pod("reviews", "v1")], none), []);
		assert.deepEqual(missing(["v1", "v2"], []), []);
	});
});

describe("canary plan", () => {
	it("makes both resources where there are none", () => {
		const plan = planCanary(target, weights, [], []);
		assert.deepEqual(plan.virtualService.spec, { hosts: ["reviews"], http: [{ route: route("reviews") }] });
		assert.deepEqual(plan.destinationRule.spec, {
			host: "reviews",
			subsets: [
				{ name: "v1", labels: { version: "v1" } },
				{ name: "v2", labels: { version: "v2" } },
			],
		});
	});

	it("changes only the catch-all route, and writes the host as it was written", () => {
		const host = "reviews.default.svc.cluster.local";
		const special = { match: [{ headers: { "end-user": { exact: "jason" } } }], route: [] };
		const rule = manifest("VirtualService", "bookinfo-reviews", {
			hosts: [host],
			http: [special, { timeout: "1s", route: [{ destination: { host, subset: "v3" } }] }],
		});
		const plan = planCanary(target, weights, [rule], []);
		assert.equal(plan.virtualService.metadata.name, "bookinfo-reviews");
		assert.deepEqual(plan.virtualService.spec, {
			hosts: [host],
			http: [special, { timeout: "1s", route: route(host) }],
		});
	});

	it("adds only the subsets that are missing", () => {
		const subsets = [{ name: "v1", labels: { app: "old", version: "v1" } }];
		const rule = manifest("DestinationRule", "r", { host: "reviews", trafficPolicy: { x: 1 }, subsets });
		const plan = planCanary(target, weights, [], [rule]);
		assert.deepEqual(plan.destinationRule.spec, {
			host: "reviews",
			trafficPolicy: { x: 1 },
			subsets: [...subsets, { name: "v2", labels: { version: "v2" } }],
		});
		assert.equal(plan.destinationRuleChanged, true);
	});

	it("leaves rules of gateways, of other namespaces and of other services alone", () => {
		const others = [
			manifest("VirtualService", "edge", { hosts: ["reviews"], gateways: ["gw"], http: [] }),
			manifest("VirtualService", "far", { hosts: ["reviews"], http: [] }, "other"),
			manifest("VirtualService", "ratings", { hosts: ["ratings"], http: [] }),
		];
		assert.equal(planCanary(target, weights, others, []).virtualService.metadata.name, "reviews");
	});
});
