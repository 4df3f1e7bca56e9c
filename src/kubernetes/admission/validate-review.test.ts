import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AnyObject } from "../../resources/config-object.ts";
import { readResourceFile } from "../../resources/read-resources.ts";
import type { AdmissionRequest, AdmissionResponse } from "./admission-review.ts";
import { validateReview } from "./validate-review.ts";

const route = (weight: unknown, host = "reviews") => ({ destination: { host }, weight });

function virtualService(spec: object, metadata: object = { name: "reviews" }) {
	return { apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata, spec };
}

const good = virtualService({ hosts: ["reviews"], http: [{ route: [route(100)] }] });
const bad = virtualService({ hosts: ["reviews"], http: [{ route: [route(60), route(-1)], timeout: "5" }] });

function review(change: Partial<AdmissionRequest>, objects?: readonly AnyObject[]): AdmissionResponse {
	const request: AdmissionRequest = {
		uid: "u1",
		kind: { group: "networking.istio.io", version: "v1", kind: "VirtualService" },
		namespace: "shop",
		name: "reviews",
		operation: "CREATE",
		...change,
	};
	const context = objects ? { objects } : {};
	return validateReview({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request }, context);
}

describe("admission of a resource", () => {
	it("takes what has no errors", () => {
		assert.deepEqual(review({ object: good }), { uid: "u1", allowed: true });
	});

	it("refuses errors, all of them at once, with what would be right", () => {
		const { allowed, status } = review({ object: bad });
		assert.equal(allowed, false);
		assert.equal(status?.code, 422);
		assert.deepEqual(status?.message.split("\n"), [
			"VirtualService shop/reviews has 2 errors:",
			"  spec.http[0].route[1].weight: must be a whole number from 0, found -1",
			'  spec.http[0].timeout: is not a duration, found "5"; write a number with a unit, such as "1.5s", "200ms" or "1m"',
		]);
	});

	it("shows the first of very many errors, and how many more there are", () => {
		const http = Array.from({ length: 50 }, () => ({ route: [route("all")] }));
		const lines = review({ object: virtualService({ hosts: ["reviews"], http }) }).status?.message.split("\n") ?? [];
		assert.equal(lines.length, 22);
		assert.equal(lines[0], "VirtualService shop/reviews has 50 errors:");
		assert.equal(lines.at(-1), "  and 30 more");
	});

	it("warns of what has no effect yet, and takes it", () => {
		const http = [{ match: [{ statPrefix: "a" }], route: [route(100)] }];
		const { allowed, warnings } = review({ object: virtualService({ hosts: ["reviews"], http }) });
		assert.equal(allowed, true);
		assert.deepEqual(warnings, [
			"spec.http[0].match[0].statPrefix: statPrefix is accepted but has no effect yet; the rest of the resource is in force",
		]);
	});

	it("warns that a kind which nobody reads does nothing", () => {
		const object = { apiVersion: "telemetry.istio.io/v1", kind: "Telemetry", metadata: { name: "a" }, spec: {} };
		const { allowed, warnings } = review({ object });
		assert.equal(allowed, true);
		assert.match(warnings?.[0] ?? "", /^kind: Keepmesh does not read Telemetry/);
	});

	it("keeps warnings to what the API server passes on", () => {
		const http = Array.from({ length: 40 }, () => ({ match: [{ statPrefix: "x".repeat(500) }], route: [route(100)] }));
		const { warnings = [] } = review({ object: virtualService({ hosts: ["reviews"], http }) });
		assert.equal(warnings.length, 15);
		assert.ok(warnings.join("").length <= 4096);
		assert.match(warnings.at(-1) ?? "", /^and \d+ more: keepmesh validate/);
	});

	it("gives a name to what is to get one by generateName", () => {
		assert.equal(review({ object: { ...good, metadata: { generateName: "reviews-" } } }).allowed, true);
		assert.equal(review({ object: { ...good, metadata: {} } }).allowed, false);
	});

	it("judges an update by what it changes to", () => {
		assert.equal(review({ operation: "UPDATE", object: bad, oldObject: good }).allowed, false);
		assert.equal(review({ operation: "UPDATE", object: good, oldObject: bad }).allowed, true);
	});

	it("takes an update that leaves a broken spec as it is: labels and finalizers must go on", () => {
		const labelled = { ...bad, metadata: { name: "reviews", labels: { a: "b" } } };
		assert.deepEqual(review({ operation: "UPDATE", object: labelled, oldObject: bad }), { uid: "u1", allowed: true });
	});

	it("has nothing against what is going away", () => {
		const going = { ...bad, metadata: { name: "reviews", deletionTimestamp: "2026-01-01T00:00:00Z" } };
		assert.equal(review({ operation: "UPDATE", object: going, oldObject: good }).allowed, true);
		assert.equal(review({ operation: "DELETE", oldObject: bad }).allowed, true);
	});

	it("takes kinds without namespace as they are", () => {
		const object = {
			apiVersion: "keepmesh.io/v1alpha1",
			kind: "VirtualIPPool",
			metadata: { name: "pool" },
			spec: { addresses: ["10.0.0.0/28"] },
		};
		const kind = { group: "keepmesh.io", version: "v1alpha1", kind: "VirtualIPPool" };
		assert.equal(review({ kind, object, namespace: "" }).allowed, true);
	});
});

describe("admission of a resource beside those in force", () => {
	const inForce = readResourceFile(
		"a.yaml",
		"apiVersion: v1\nkind: Service\nmetadata: {name: reviews, namespace: shop}\nspec: {ports: [{name: http, port: 80}]}\n",
	).objects;

	it("warns of a host that there is not, and takes it: it may be on its way", () => {
		const object = virtualService({ hosts: ["ratings"], http: [{ route: [route(100, "ratings")] }] });
		const { allowed, warnings } = review({ object }, inForce);
		assert.equal(allowed, true);
		assert.match(warnings?.join("\n") ?? "", /spec\.http\[0\]\.route\[0\]\.destination\.host: .*ratings.*\[IST0101\]/);
	});

	it("says nothing when everything is there", () => {
		assert.equal(review({ object: good }, inForce).warnings, undefined);
	});

	it("says nothing about other resources", () => {
		const broken = readResourceFile(
			"b.yaml",
			JSON.stringify(
				virtualService({ hosts: ["x"], http: [{ route: [route(100, "x")] }] }, { name: "x", namespace: "y" }),
			),
		).objects;
		assert.equal(review({ object: good }, [...inForce, ...broken]).warnings, undefined);
	});
});
