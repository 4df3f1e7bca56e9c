// What is sent when: make before break over types, one message at a time, and bytes that streams share.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { typeUrls } from "./resource.ts";
import { deltaRequest, proxyConfig, resourceSet } from "./session.testing.ts";
import { StreamUnderTest } from "./stream-under-test.testing.ts";

const { cluster, endpoints, listener, route } = typeUrls;

describe("make before break", () => {
	const before = proxyConfig(
		resourceSet(cluster, { old: "1" }),
		resourceSet(endpoints, { old: "1" }),
		resourceSet(listener, { l: "old" }),
		resourceSet(route, { r: "old" }),
	);
	const after = proxyConfig(
		resourceSet(cluster, { new: "1" }),
		resourceSet(endpoints, { new: "1" }),
		resourceSet(listener, { l: "new" }),
		resourceSet(route, { r: "new" }),
	);
	const opened = (): StreamUnderTest => {
		const stream = new StreamUnderTest("delta", before);
		stream.asks(cluster);
		stream.asks(endpoints, ["old"]);
		stream.asks(listener);
		stream.asks(route, ["r"]);
		stream.sent();
		return stream;
	};

	it("sends clusters first, routes when the clusters are confirmed, and removes last, clusters at the very end", () => {
		const stream = opened();
		stream.config(after);
		assert.deepEqual(stream.sent(), ["Cluster +new #5"]);
		stream.request(deltaRequest(endpoints, { subscribe: ["new"] }));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment +new #6"]);
		stream.request(deltaRequest(endpoints, { nonce: "6" }));
		assert.deepEqual(stream.sent(), []);
		stream.request(deltaRequest(cluster, { nonce: "5" }));
		assert.deepEqual(stream.sent(), ["Listener +l #7", "RouteConfiguration +r #8"]);
		stream.request(deltaRequest(listener, { nonce: "7" }));
		assert.deepEqual(stream.sent(), []);
		stream.request(deltaRequest(route, { nonce: "8" }));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment -old #9", "Cluster -old #10"]);
	});

	it("removes after a time limit when routes are never confirmed", () => {
		const stream = opened();
		stream.config(after);
		stream.request(deltaRequest(cluster, { nonce: "5" }));
		stream.sent();
		stream.pass(1_000);
		assert.deepEqual(stream.sent(), []);
		stream.pass(10_000);
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment -old #8", "Cluster -old #9"]);
	});

	it("sends routes after a time limit when clusters are never confirmed", () => {
		const stream = opened();
		stream.config(after);
		stream.sent();
		stream.pass(5_000);
		assert.deepEqual(stream.sent().slice(0, 2), ["Listener +l #6", "RouteConfiguration +r #7"]);
	});

	it("sends the endpoints of a cluster that changed, because Envoy warms it anew", () => {
		const stream = opened();
		stream.config(proxyConfig(resourceSet(cluster, { old: "2" }), ...[...before.values()].slice(1)));
		assert.deepEqual(stream.sent(), ["Cluster +old #5", "ClusterLoadAssignment +old #6"]);
	});

	it("sends a cluster ahead of its endpoints also while an older response with clusters is not answered", () => {
		const stream = opened();
		const rest = [...before.values()].slice(2);
		const first = resourceSet(cluster, { old: "2", other: "1" });
		stream.config(proxyConfig(first, resourceSet(endpoints, { old: "1" }), ...rest));
		assert.deepEqual(stream.sent(), ["Cluster +old +other #5", "ClusterLoadAssignment +old #6"]);
		stream.request(deltaRequest(endpoints, { nonce: "6" }));
		stream.config(
			proxyConfig(resourceSet(cluster, { old: "3", other: "1" }), resourceSet(endpoints, { old: "2" }), ...rest),
		);
		assert.deepEqual(stream.sent(), ["Cluster +old +other #7", "ClusterLoadAssignment +old #8"]);
		stream.request(deltaRequest(cluster, { nonce: "5" }));
		assert.deepEqual(stream.sent(), []);
		stream.request(deltaRequest(cluster, { nonce: "7" }));
		stream.request(deltaRequest(endpoints, { nonce: "8" }));
		assert.deepEqual(stream.sent(), []);
	});

	it("removes a cluster that came and went while an older response was not answered", () => {
		const stream = opened();
		const rest = [...before.values()].slice(2);
		stream.config(
			proxyConfig(resourceSet(cluster, { old: "1", brief: "1" }), resourceSet(endpoints, { old: "1" }), ...rest),
		);
		assert.deepEqual(stream.sent(), ["Cluster +brief #5"]);
		stream.config(proxyConfig(resourceSet(cluster, { old: "2" }), resourceSet(endpoints, { old: "2" }), ...rest));
		assert.deepEqual(stream.sent(), ["Cluster +old #6", "ClusterLoadAssignment +old #7"]);
		stream.request(deltaRequest(cluster, { nonce: "6" }));
		stream.request(deltaRequest(endpoints, { nonce: "7" }));
		assert.deepEqual(stream.sent(), ["Cluster -brief #8"]);
	});

	it("takes a removed listener's address over in the same message", () => {
		const stream = opened();
		stream.config(proxyConfig(...[...before.values()].slice(0, 2), resourceSet(listener, { l2: "new" })));
		assert.deepEqual(stream.sent()[0], "Listener +l2 -l #5");
	});
});

describe("back-pressure", () => {
	it("keeps one pending configuration while a message is being written", () => {
		const stream = new StreamUnderTest("delta");
		stream.drains = false;
		stream.config(proxyConfig(resourceSet(cluster, { a: "0" })));
		stream.request(deltaRequest(cluster));
		stream.request(deltaRequest(listener));
		for (let round = 1; round <= 100; round++) stream.config(proxyConfig(resourceSet(cluster, { a: String(round) })));
		assert.deepEqual(stream.sent(), ["Cluster +a #1"]);
		stream.request(deltaRequest(cluster, { nonce: "1" }));
		stream.drain();
		assert.deepEqual(stream.sent(), ["Cluster +a #2"]);
	});

	it("cuts off a client that does not take a message in a minute", () => {
		const stream = new StreamUnderTest("delta", proxyConfig(resourceSet(cluster, { a: "0" })));
		stream.drains = false;
		stream.request(deltaRequest(cluster));
		stream.pass(59_999);
		assert.deepEqual(stream.sent(), ["Cluster +a #1"]);
		stream.pass(1);
		assert.deepEqual(stream.sent(), ["close 4: the client did not take a message for 60000 ms"]);
	});
});

describe("bytes shared between streams", () => {
	it("are made once for a part and once for a difference", () => {
		const shared = resourceSet(cluster, { a: "1", b: "1" });
		const next = resourceSet(cluster, { a: "1", b: "2" });
		const pieces = [
			new StreamUnderTest("delta", proxyConfig(shared)),
			new StreamUnderTest("delta", proxyConfig(shared)),
		].map((stream) => {
			stream.request(deltaRequest(cluster));
			stream.request(deltaRequest(cluster, { nonce: "1" }));
			stream.config(proxyConfig(next));
			return stream.actions.flatMap((action) => (action.type === "send" ? action.response.pieces : []));
		});
		const [first, second] = pieces;
		assert.deepEqual(
			first?.map(({ kind }) => kind),
			["part", "diff"],
		);
		assert.ok(first?.[0]?.kind === "part" && second?.[0]?.kind === "part" && first[0].part === second[0].part);
		assert.ok(first?.[1]?.kind === "diff" && second?.[1]?.kind === "diff" && first[1].diff === second[1].diff);
	});

	it("are also shared with a stream that names every resource of the part", () => {
		const stream = new StreamUnderTest("delta", proxyConfig(resourceSet(endpoints, { a: "1", b: "1" })));
		stream.request(deltaRequest(endpoints, { subscribe: ["b", "a"] }));
		const [send] = stream.actions;
		assert.ok(send?.type === "send" && send.response.pieces[0]?.kind === "part");
	});
});
