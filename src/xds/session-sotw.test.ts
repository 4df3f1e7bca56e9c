// The rules of state-of-the-world streams, row by row.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { typeUrls } from "./resource.ts";
import { proxyConfig, resourceSet, sotwRequest } from "./session.testing.ts";
import { typeStatuses } from "./session-status.ts";
import { StreamUnderTest } from "./stream-under-test.testing.ts";

const { cluster, endpoints, listener, route } = typeUrls;

describe("a state-of-the-world stream", () => {
	const config = proxyConfig(
		resourceSet(cluster, { a: "1", b: "1" }),
		resourceSet(endpoints, { a: "1", b: "1", c: "1" }),
		resourceSet(listener, { l: "1" }),
		resourceSet(route, { r: "1" }),
	);
	const versionOf = (stream: StreamUnderTest): string => {
		const sends = stream.actions.filter((action) => action.type === "send");
		const last = sends.at(-1);
		return last?.type === "send" ? last.response.version : "";
	};

	it("sends all clusters whenever one changes", () => {
		const stream = new StreamUnderTest("sotw", config);
		stream.request(sotwRequest(cluster));
		assert.deepEqual(stream.sent(), ["Cluster a=1 b=1 #1"]);
		stream.request(sotwRequest(cluster, { nonce: "1" }));
		stream.config(proxyConfig(resourceSet(cluster, { a: "1", b: "2" })));
		assert.deepEqual(stream.sent(), ["Cluster a=1 b=2 #2"]);
	});

	it("sends the endpoints that are asked for, later ones when they are added, and changes alone", () => {
		const stream = new StreamUnderTest("sotw", config);
		stream.request(sotwRequest(endpoints, { names: ["a"] }));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment a=1 #1"]);
		stream.request(sotwRequest(endpoints, { names: ["a", "b"], nonce: "1" }));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment b=1 #2"]);
		stream.request(sotwRequest(endpoints, { names: ["a", "b"], nonce: "2" }));
		stream.config(proxyConfig(resourceSet(endpoints, { a: "2", b: "1", c: "2" })));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment a=2 #3"]);
	});

	it("says nothing about endpoints that do not exist, and sends them when they appear", () => {
		const stream = new StreamUnderTest("sotw", config);
		stream.request(sotwRequest(endpoints, { names: ["late"] }));
		assert.deepEqual(stream.sent(), []);
		stream.config(proxyConfig(resourceSet(endpoints, { late: "1" })));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment late=1 #1"]);
	});

	it("leaves out a listener that does not exist", () => {
		const stream = new StreamUnderTest("sotw", config);
		stream.request(sotwRequest(listener, { names: ["l", "nowhere"] }));
		assert.deepEqual(stream.sent(), ["Listener l=1 #1"]);
	});

	it("ignores a request with a stale nonce, names and all", () => {
		const stream = new StreamUnderTest("sotw", config);
		stream.request(sotwRequest(endpoints, { names: ["a"] }));
		stream.request(sotwRequest(endpoints, { names: ["a", "b"], nonce: "0" }));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment a=1 #1"]);
	});

	it("does not repeat what was rejected", () => {
		const stream = new StreamUnderTest("sotw", config);
		stream.request(sotwRequest(cluster));
		stream.sent();
		stream.request(sotwRequest(cluster, { nonce: "1", error: { code: 3, message: "bad b" } }));
		stream.pass(60_000);
		assert.deepEqual(stream.sent(), []);
		assert.equal(typeStatuses(stream.state)[0]?.sync, "ERROR");
	});

	it("keeps a removed cluster in the full set until listeners and routes let go of it", () => {
		const stream = new StreamUnderTest("sotw", config);
		for (const [typeUrl, names] of [
			[cluster, []],
			[listener, []],
			[route, ["r"]],
		] as const) {
			stream.request(sotwRequest(typeUrl, { names }));
			stream.request(sotwRequest(typeUrl, { names, nonce: stream.state.types.get(typeUrl)?.nonceSent ?? "" }));
		}
		stream.sent();
		stream.config(
			proxyConfig(
				resourceSet(cluster, { a: "1", d: "1" }),
				resourceSet(listener, { l: "1" }),
				resourceSet(route, { r: "2" }),
			),
		);
		assert.deepEqual(stream.sent(), ["Cluster a=1 d=1 b=1 #4"]);
		stream.request(sotwRequest(cluster, { nonce: "4" }));
		assert.deepEqual(stream.sent(), ["RouteConfiguration r=2 #5"]);
		stream.request(sotwRequest(route, { names: ["r"], nonce: "5" }));
		assert.deepEqual(stream.sent(), ["Cluster a=1 d=1 #6"]);
	});

	it("sends nothing to a client that comes back with the current version, and all to one that asks for more", () => {
		const first = new StreamUnderTest("sotw", config);
		first.request(sotwRequest(endpoints, { names: ["a", "b"] }));
		const version = versionOf(first);
		const again = new StreamUnderTest("sotw", config);
		again.request(sotwRequest(endpoints, { names: ["b", "a"], version }));
		assert.deepEqual(again.sent(), []);
		assert.equal(typeStatuses(again.state)[0]?.sync, "SYNCED");
		const more = new StreamUnderTest("sotw", config);
		more.request(sotwRequest(endpoints, { names: ["a", "b", "c"], version }));
		assert.deepEqual(more.sent(), ["ClusterLoadAssignment a=1 b=1 c=1 #1"]);
	});
});
