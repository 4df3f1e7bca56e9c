// Which endpoints get new connections: conditions, duplicates, hints.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nodeA, planOf, pool, slice, written } from "./plan.testing.ts";

const here = "{addresses: [10.244.1.5], nodeName: a}";
const there = "{addresses: [10.244.2.5], nodeName: b}";
const notReady = "{addresses: [10.244.1.6], nodeName: a, conditions: {ready: false}}";
const leavingHere =
	"{addresses: [10.244.1.7], nodeName: a, conditions: {ready: false, serving: true, terminating: true}}";
const gone = "{addresses: [10.244.1.8], nodeName: a, conditions: {ready: false, serving: false, terminating: true}}";

describe("the endpoints that get new connections", () => {
	const cases: readonly (readonly [what: string, endpoints: readonly string[], expected: readonly string[]])[] = [
		["are those that are ready", [here, notReady, there], ["10.244.1.5", "10.244.2.5"]],
		["are those that leave but still serve when nobody is ready", [notReady, leavingHere, gone], ["10.244.1.7"]],
		["are never those that leave while somebody is ready", [there, leavingHere], ["10.244.2.5"]],
		[
			"are in the order of their bytes, not of their digits",
			["{addresses: [10.244.1.10]}", "{addresses: [10.244.1.9]}"],
			["10.244.1.9", "10.244.1.10"],
		],
		["are ready and serving where a slice says nothing", ["{addresses: [10.244.1.1], conditions: {}}"], ["10.244.1.1"]],
		[
			"count as serving where a leaving one says nothing about it",
			["{addresses: [10.244.1.1], conditions: {ready: false, terminating: true}}"],
			["10.244.1.1"],
		],
		["are reached at the first of their addresses", ["{addresses: [10.244.1.1, 10.244.1.2]}"], ["10.244.1.1"]],
		["are nobody: then connections are refused", [notReady, gone], ["reject"]],
	];
	for (const [what, endpoints, expected] of cases)
		it(what, () => {
			assert.deepEqual(
				pool(endpoints).map((text) => text.replace(":8080", "")),
				expected,
			);
		});

	it("are in no slice of another Service, of names, or that is marked headless", () => {
		const more = [
			slice("web-2", [there], { labels: ", service.kubernetes.io/headless: ''" }),
			slice("web-3", ["{addresses: [a.example]}"], { type: "FQDN" }),
			slice("web-4", [there]).replace("service-name: web", "service-name: other"),
			slice("web-5", [there]).replace("namespace: shop", "namespace: other"),
		].join("---\n");
		assert.deepEqual(pool([here], { more }), ["10.244.1.5:8080"]);
	});

	it("are one where two slices have it, and a pod that stays wins over one that left its address", () => {
		const more = slice("web-2", [leavingHere.replace("10.244.1.7", "10.244.1.5"), there]);
		assert.deepEqual(pool([here, there], { more }), ["10.244.1.5:8080", "10.244.2.5:8080"]);
		const earlier = slice("web-0", [leavingHere.replace("10.244.1.7", "10.244.1.5")]);
		assert.deepEqual(pool([here], { more: earlier }), ["10.244.1.5:8080"]);
	});

	it("are what the slice says also with publishNotReadyAddresses: who writes slices has seen to it", () => {
		assert.deepEqual(pool([notReady], { spec: "publishNotReadyAddresses: true" }), ["reject"]);
	});
});

describe("hints", () => {
	const zone = (address: string, name: string): string =>
		`{addresses: [${address}], nodeName: b, hints: {forZones: [{name: ${name}}]}}`;
	const node = (address: string, name: string): string =>
		`{addresses: [${address}], nodeName: ${name}, hints: {forZones: [{name: zone-1}], forNodes: [{name: ${name}}]}}`;
	const cases: readonly (readonly [what: string, endpoints: readonly string[], expected: readonly string[]])[] = [
		["keep connections in the zone", [zone("10.0.0.1", "zone-1"), zone("10.0.0.2", "zone-2")], ["10.0.0.1"]],
		[
			"count for nothing when nobody is hinted for this zone",
			[zone("10.0.0.2", "zone-2"), zone("10.0.0.3", "zone-3")],
			["10.0.0.2", "10.0.0.3"],
		],
		[
			"count for nothing when one ready endpoint has none",
			[zone("10.0.0.1", "zone-1"), "{addresses: [10.0.0.9]}"],
			["10.0.0.1", "10.0.0.9"],
		],
		[
			"need not be on endpoints that are not ready",
			[zone("10.0.0.1", "zone-1"), zone("10.0.0.2", "zone-2"), "{addresses: [10.0.0.9], conditions: {ready: false}}"],
			["10.0.0.1"],
		],
		[
			"keep connections on the node before they keep them in the zone",
			[node("10.0.0.1", "a"), node("10.0.0.2", "b")],
			["10.0.0.1"],
		],
		["of nodes fall back to those of zones", [node("10.0.0.2", "b"), node("10.0.0.3", "c")], ["10.0.0.2", "10.0.0.3"]],
	];
	for (const [what, endpoints, expected] of cases)
		it(what, () => {
			assert.deepEqual(
				pool(endpoints).map((text) => text.replace(":8080", "")),
				expected,
			);
		});

	it("do not keep a node of no zone from answering", () => {
		const { zone: _, ...nowhere } = nodeA;
		const [first] = planOf(written({ endpoints: [zone("10.0.0.1", "zone-1")] }), nowhere);
		assert.equal(first?.outside.type, "balance");
	});
});
