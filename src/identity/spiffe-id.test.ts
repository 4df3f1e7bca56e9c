import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseSpiffeId, renderSpiffeId } from "./spiffe-id.ts";

describe("SPIFFE ids", () => {
	it("read back what they were written from", () => {
		const id = { trustDomain: "cluster.local", namespace: "default", serviceAccount: "bookinfo-reviews" };
		assert.deepEqual(parseSpiffeId(renderSpiffeId(id)), id);
	});

	for (const text of [
		"",
		"https://cluster.local/ns/a/sa/b",
		"spiffe://cluster.local/ns/a",
		"spiffe://cluster.local/ns/a/sa/b/c",
		"spiffe://cluster.local/ns//sa/b",
		"spiffe://cluster.local/ns/../sa/b",
		"spiffe://Cluster.Local/ns/a/sa/b",
		"spiffe://cluster.local/ns/a/sa/b\n",
	])
		it(`refuse ${JSON.stringify(text)}`, () => assert.equal(parseSpiffeId(text), undefined));
});
