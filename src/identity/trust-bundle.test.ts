import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeTrustBundle, encodeTrustBundle } from "./trust-bundle.ts";

const bundle = { trustDomain: "cluster.local", roots: ["first\n".repeat(200), "second"], issuerKeyId: "00ff" };

describe("the trust bundle on the wire", () => {
	it("comes out as it went in", () => {
		assert.deepEqual(decodeTrustBundle(encodeTrustBundle(bundle)), bundle);
		assert.deepEqual(decodeTrustBundle(encodeTrustBundle({ ...bundle, epoch: 12 })), { ...bundle, epoch: 12 });
		const withLists = { ...bundle, revocationLists: ["one", "two"] };
		assert.deepEqual(decodeTrustBundle(encodeTrustBundle(withLists)), withLists);
	});
	it("is refused when it is cut off anywhere that matters", () => {
		const bytes = encodeTrustBundle(bundle);
		for (let length = 0; length < bytes.length; length++)
			assert.equal(decodeTrustBundle(bytes.subarray(0, length)), undefined, `${length} bytes`);
	});
});
