import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resourcePart } from "../../envoy/encode-resource.ts";
import { type ProxyConfig, typeUrls } from "../../xds/resource.ts";
import { defaultPushGuardConfig, judgePush } from "./push-guard.ts";

function clusters(from: number, to: number): ProxyConfig {
	const resources = Array.from({ length: to - from }, (_, i) => ({
		name: `c${String(from + i).padStart(4, "0")}`,
		version: "1",
		any: new Uint8Array(),
	}));
	return new Map([[typeUrls.cluster, { typeUrl: typeUrls.cluster, parts: [resourcePart(resources)] }]]);
}

describe("push guard", () => {
	const judge = judgePush.bind(undefined, defaultPushGuardConfig);

	it("sends the first configuration, additions, and the removal of half", () => {
		assert.deepEqual(judge(undefined, clusters(0, 0), undefined, 0), { type: "send" });
		assert.deepEqual(judge(clusters(0, 30), clusters(0, 90), undefined, 0), { type: "send" });
		assert.deepEqual(judge(clusters(0, 30), clusters(0, 15), undefined, 0), { type: "send" });
	});

	it("holds the removal of more than half, and says how much", () => {
		assert.deepEqual(judge(clusters(0, 30), clusters(0, 14), undefined, 5), {
			type: "hold",
			held: { sinceMs: 5, removals: [{ typeUrl: typeUrls.cluster, removed: 16, had: 30 }] },
		});
	});

	it("counts names, not sizes: replacing everything is a removal", () => {
		assert.equal(judge(clusters(0, 30), clusters(100, 130), undefined, 0).type, "hold");
	});

	it("lets small sets lose anything", () => {
		assert.deepEqual(judge(clusters(0, 20), clusters(0, 0), undefined, 0), { type: "send" });
	});

	it("lets a removal through that is still wanted after 30 s", () => {
		const held = { sinceMs: 1000, removals: [] };
		assert.equal(judge(clusters(0, 30), clusters(0, 1), held, 30_999).type, "hold");
		assert.equal(judge(clusters(0, 30), clusters(0, 1), held, 31_000).type, "send");
	});
});
