import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { readHeartbeat, renderHeartbeat } from "./heartbeat-text.ts";

describe("a replica's heartbeat in a ConfigMap", () => {
	it("comes back as it was said, but for what a proxy confirmed that is not what the replica hands out", () => {
		const connected = [
			{ proxy: "a.default", acknowledged: "v2" },
			{ proxy: "b.default", acknowledged: "v1" },
			{ proxy: "c.default" },
		];
		const said = { replica: "r", beat: "1", bundleVersion: "v2", connected, expected: ["a.default"], isPod: false };
		assert.deepEqual(readHeartbeat("r", renderHeartbeat(said)), {
			...said,
			connected: [{ proxy: "a.default", acknowledged: "v2" }, { proxy: "b.default" }, { proxy: "c.default" }],
		});
	});

	it("of five thousand proxies is short enough for many replicas in one ConfigMap", () => {
		const names = Array.from(
			{ length: 5_000 },
			(_, index) => `reviews-v1-6f8b9c7d5-${(index * 7919).toString(36)}.shop-${index % 20}`,
		);
		const connected = names.map((proxy) => ({ proxy, acknowledged: "v1" }));
		const text = renderHeartbeat({
			replica: "r",
			beat: "1",
			bundleVersion: "v1",
			connected,
			expected: names,
			isPod: true,
		});
		assert.ok(text.length < 100_000, `${text.length} bytes`);
	});

	const bomb = gzipSync(JSON.stringify({ acknowledged: ["x".repeat(20 * 1024 * 1024)] })).toString("base64");
	for (const [what, text] of Object.entries({
		nothing: "",
		"no base64": "%%%",
		"no JSON": gzipSync("{half").toString("base64"),
		"another shape": gzipSync('{"acknowledged":{},"behind":[],"expected":[]}').toString("base64"),
		"names that are none": gzipSync('{"acknowledged":[1],"behind":[],"expected":[]}').toString("base64"),
		"far more than any replica says": bomb,
	}))
		it(`is one of a replica that nothing is known of, when it holds ${what}`, () => {
			const unknown = { replica: "r", beat: "", bundleVersion: "", connected: [], expected: [], isPod: true };
			assert.deepEqual(readHeartbeat("r", text), unknown);
		});
});
