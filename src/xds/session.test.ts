// Each row is a rule of the xDS protocol for delta streams: what comes in, and what must be the answer, also where it is nothing.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type TypeUrl, typeUrls } from "./resource.ts";
import { deltaRequest, proxyConfig, resource, resourceSet } from "./session.testing.ts";
import { applicationOf, typeStatuses } from "./session-status.ts";
import { StreamUnderTest } from "./stream-under-test.testing.ts";

const { cluster, endpoints, listener } = typeUrls;

const version = (typeUrl: TypeUrl, name: string, content: string): string => resource(typeUrl, name, content).version;
const versions = (typeUrl: TypeUrl, contents: Readonly<Record<string, string>>): Map<string, string> =>
	new Map(Object.entries(contents).map(([name, content]) => [name, version(typeUrl, name, content)]));

describe("subscriptions of a delta stream", () => {
	const config = proxyConfig(
		resourceSet(cluster, { a: "1", b: "1" }),
		resourceSet(endpoints, { a: "1", b: "1", c: "1" }),
	);

	it("takes an empty first request for clusters as asking for everything", () => {
		assert.deepEqual(new StreamUnderTest("delta", config).asks(cluster), ["Cluster +a +b #1"]);
	});

	it("takes an empty first request for endpoints as asking for nothing", () => {
		assert.deepEqual(new StreamUnderTest("delta", config).asks(endpoints), []);
	});

	it("takes * as everything of any type", () => {
		assert.deepEqual(new StreamUnderTest("delta", config).asks(endpoints, ["*"]), [
			"ClusterLoadAssignment +a +b +c #1",
		]);
	});

	it("sends only what is named once a first request names something", () => {
		assert.deepEqual(new StreamUnderTest("delta", config).asks(cluster, ["b"]), ["Cluster +b #1"]);
	});

	it("keeps the wildcard when a later request names something, and answers the name", () => {
		const stream = new StreamUnderTest("delta", config);
		stream.asks(cluster);
		assert.deepEqual(stream.asks(cluster, ["a"]), ["Cluster +a #2"]);
		stream.config(proxyConfig(resourceSet(cluster, { a: "1", b: "2" })));
		assert.deepEqual(stream.sent(), ["Cluster +b #3"]);
	});

	it("keeps the named when * is unsubscribed", () => {
		const stream = new StreamUnderTest("delta", config);
		stream.asks(cluster, ["*", "a"]);
		stream.request(deltaRequest(cluster, { unsubscribe: ["*"] }));
		stream.config(proxyConfig(resourceSet(cluster, { a: "2", b: "2" })));
		assert.deepEqual(stream.sent(), ["Cluster +a #2"]);
	});

	it("does not fall back to everything when the last name is unsubscribed", () => {
		const stream = new StreamUnderTest("delta", config);
		stream.asks(cluster, ["a"]);
		stream.request(deltaRequest(cluster, { unsubscribe: ["a"] }));
		stream.config(proxyConfig(resourceSet(cluster, { a: "2", b: "2" })));
		assert.deepEqual(stream.sent(), []);
	});

	it("says whether a wildcard still holds a name that is unsubscribed", () => {
		const stream = new StreamUnderTest("delta", config);
		stream.asks(cluster, ["*", "a", "nowhere"]);
		stream.request(deltaRequest(cluster, { unsubscribe: ["a", "nowhere"] }));
		assert.deepEqual(stream.sent(), ["Cluster +a -nowhere #2"]);
	});

	it("answers a name that does not exist as removed, once, and sends it when it appears", () => {
		const stream = new StreamUnderTest("delta", config);
		assert.deepEqual(stream.asks(endpoints, ["a", "late"]), ["ClusterLoadAssignment +a -late #1"]);
		stream.pass(60_000);
		assert.deepEqual(stream.sent(), []);
		stream.config(proxyConfig(resourceSet(endpoints, { a: "1", late: "1" })));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment +late #2"]);
	});

	it("sends a resource again when its name is subscribed again", () => {
		const stream = new StreamUnderTest("delta", config);
		stream.asks(endpoints, ["a"]);
		assert.deepEqual(stream.asks(endpoints, ["a"]), ["ClusterLoadAssignment +a #2"]);
	});

	it("answers a type that nobody knows with nothing, so that the client need not wait", () => {
		assert.deepEqual(new StreamUnderTest("delta", config).asks("type.googleapis.com/unknown.Thing"), ["Thing #1"]);
		assert.deepEqual(new StreamUnderTest("delta", config).asks("type.googleapis.com/unknown.Thing", ["x"]), [
			"Thing -x #1",
		]);
	});

	it("waits while the proxy has no configuration", () => {
		const stream = new StreamUnderTest("delta");
		assert.deepEqual(stream.asks(cluster), []);
		stream.config(config);
		assert.deepEqual(stream.sent(), ["Cluster +a +b #1"]);
	});

	it("cuts off a client that asks for too many types", () => {
		const stream = new StreamUnderTest("delta", config);
		for (let index = 0; index < 25; index++) stream.request(deltaRequest(`type.googleapis.com/t${index}`));
		assert.match(stream.sent().at(-1) ?? "", /^close 8: more than 24 types/);
	});
});

describe("a delta stream that is opened again", () => {
	it("sends nothing when all versions are equal", () => {
		const stream = new StreamUnderTest(
			"delta",
			proxyConfig(resourceSet(cluster, { a: "1" }, { b: "1" }), resourceSet(endpoints, { a: "1" })),
		);
		assert.deepEqual(stream.asks(cluster, [], versions(cluster, { a: "1", b: "1" })), []);
		assert.deepEqual(stream.asks(endpoints, ["a"], versions(endpoints, { a: "1" })), []);
		assert.deepEqual(
			typeStatuses(stream.state).map(({ sync }) => sync),
			["SYNCED", "SYNCED"],
		);
	});

	it("sends what changed meanwhile, and removes what is gone", () => {
		const stream = new StreamUnderTest("delta", proxyConfig(resourceSet(cluster, { a: "1", b: "2", c: "1" })));
		assert.deepEqual(stream.asks(cluster, [], versions(cluster, { a: "1", b: "1", gone: "1" })), ["Cluster +b +c #1"]);
		assert.deepEqual(stream.sent(), ["Cluster -gone #2"]);
	});

	it("answers an empty first request even when there is nothing, so that a new Envoy can start", () => {
		assert.deepEqual(new StreamUnderTest("delta", proxyConfig()).asks(listener), ["Listener #1"]);
	});

	it("sends the endpoints of a cluster that changed, whatever version the client has", () => {
		const stream = new StreamUnderTest(
			"delta",
			proxyConfig(resourceSet(cluster, { a: "2", b: "1" }), resourceSet(endpoints, { a: "1", b: "1" })),
		);
		stream.asks(cluster, [], versions(cluster, { a: "1", b: "1" }));
		assert.deepEqual(stream.asks(endpoints, ["a", "b"], versions(endpoints, { a: "1", b: "1" })), [
			"ClusterLoadAssignment +a #2",
		]);
	});
});

describe("answers of a client", () => {
	const before = proxyConfig(resourceSet(cluster, { a: "1", b: "1" }));
	const after = proxyConfig(resourceSet(cluster, { a: "2", b: "2" }));

	it("holds back a change until the one before is answered, then sends the newest only", () => {
		const stream = new StreamUnderTest("delta", before);
		stream.request(deltaRequest(cluster));
		stream.config(after);
		stream.config(proxyConfig(resourceSet(cluster, { a: "3", b: "1" })));
		assert.deepEqual(stream.sent(), ["Cluster +a +b #1"]);
		stream.request(deltaRequest(cluster, { nonce: "1" }));
		assert.deepEqual(stream.sent(), ["Cluster +a #2"]);
	});

	it("goes on after a while when no answer comes", () => {
		const stream = new StreamUnderTest("delta", before);
		stream.request(deltaRequest(cluster));
		stream.config(after);
		stream.sent();
		stream.pass(4_999);
		assert.deepEqual(stream.sent(), []);
		stream.pass(1);
		assert.deepEqual(stream.sent(), ["Cluster +a +b #2"]);
	});

	it("ignores the answer to an older response", () => {
		const stream = new StreamUnderTest("delta", before);
		stream.asks(cluster);
		stream.config(after);
		stream.request(deltaRequest(cluster, { nonce: "1" }));
		stream.request(deltaRequest(cluster, { nonce: "77", error: { code: 3, message: "replayed" } }));
		assert.equal(typeStatuses(stream.state)[0]?.sync, "STALE");
		stream.request(deltaRequest(cluster, { nonce: "2" }));
		assert.equal(typeStatuses(stream.state)[0]?.sync, "SYNCED");
	});

	it("takes a change of names also from a request with an old nonce", () => {
		const stream = new StreamUnderTest("delta", proxyConfig(resourceSet(endpoints, { a: "1", b: "1" })));
		stream.asks(endpoints, ["a"]);
		stream.request(deltaRequest(endpoints, { nonce: "99", subscribe: ["b"] }));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment +b #2"]);
	});

	it("records a NACK with the versions that it is about, and does not send them again until they change", () => {
		const stream = new StreamUnderTest("delta", before);
		stream.asks(cluster);
		stream.config(after);
		stream.sent();
		stream.request(
			deltaRequest(cluster, { nonce: "2", error: { code: 13, message: "Error adding cluster(s) a: no luck" } }),
		);
		assert.deepEqual(stream.sent(), []);
		const status = typeStatuses(stream.state)[0];
		assert.equal(status?.sync, "ERROR");
		assert.deepEqual(status?.error?.names, ["a"]);
		assert.deepEqual(applicationOf(stream.state, cluster, "a", version(cluster, "a", "2")), {
			state: "rejected",
			because: "Error adding cluster(s) a: no luck",
		});
		assert.deepEqual(applicationOf(stream.state, cluster, "a", version(cluster, "a", "1")), { state: "applied" });
		assert.deepEqual(applicationOf(stream.state, cluster, "b", version(cluster, "b", "2")), { state: "applied" });
		stream.pass(60_000);
		assert.deepEqual(stream.sent(), []);
	});

	it("keeps an error on record while only other resources change, and drops it with a good version", () => {
		const stream = new StreamUnderTest("delta", before);
		stream.asks(cluster);
		stream.config(after);
		stream.request(deltaRequest(cluster, { nonce: "2", error: { code: 13, message: "a: no luck" } }));
		stream.config(proxyConfig(resourceSet(cluster, { a: "2", b: "3" })));
		stream.request(deltaRequest(cluster, { nonce: "3" }));
		assert.equal(typeStatuses(stream.state)[0]?.sync, "ERROR");
		stream.config(proxyConfig(resourceSet(cluster, { a: "4", b: "3" })));
		stream.request(deltaRequest(cluster, { nonce: "4" }));
		assert.equal(typeStatuses(stream.state)[0]?.sync, "SYNCED");
		assert.deepEqual(applicationOf(stream.state, cluster, "a", version(cluster, "a", "4")), { state: "applied" });
	});

	it("blames the whole response when the client names nothing", () => {
		const stream = new StreamUnderTest("delta", before);
		stream.request(deltaRequest(cluster));
		stream.request(deltaRequest(cluster, { nonce: "1", error: { code: 13, message: "no" } }));
		assert.deepEqual(typeStatuses(stream.state)[0]?.error?.names, ["a", "b"]);
	});

	it("tells how long the last change took to be confirmed", () => {
		const stream = new StreamUnderTest("delta", before);
		stream.asks(cluster);
		stream.config(after);
		stream.nowMs += 7;
		stream.request(deltaRequest(cluster, { nonce: "2" }));
		assert.equal(typeStatuses(stream.state)[0]?.convergedInMs, 7);
		assert.deepEqual(stream.actions.filter(({ type }) => type === "reportConverged").at(-1), {
			type: "reportConverged",
			typeUrl: cluster,
			ms: 7,
		});
	});
});
