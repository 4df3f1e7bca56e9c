// Each row is a rule of the xDS protocol: what comes in on one stream, and what must be the answer, also where it is nothing.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { XdsRequest } from "./request.ts";
import { type ProxyConfig, type TypeUrl, typeUrls } from "./resource.ts";
import {
	deltaRequest,
	proxyConfig,
	readDelta,
	readSotw,
	resource,
	resourceSet,
	sotwRequest,
} from "./session.testing.ts";
import { defaultSessionConfig, openSession, type SessionAction, type SessionState, step } from "./session.ts";
import { applicationOf, typeStatuses } from "./session-status.ts";

const { cluster, endpoints, listener, route } = typeUrls;

/** A stream whose writes never wait; keeps what it sent and reported. */
class Stream {
	state: SessionState;
	nowMs = 0;
	readonly actions: SessionAction[] = [];
	/** Set false to hold a message in flight to the network. */
	drains = true;

	constructor(protocol: "delta" | "sotw", config?: ProxyConfig) {
		this.state = openSession(protocol);
		if (config) this.config(config);
	}

	request(request: XdsRequest): void {
		this.#feed({ type: "requestReceived", request, atMs: this.nowMs });
	}

	config(config: ProxyConfig): void {
		this.#feed({ type: "configChanged", config, atMs: this.nowMs });
	}

	pass(ms: number): void {
		this.nowMs += ms;
		this.#feed({ type: "ticked", atMs: this.nowMs });
	}

	drain(): void {
		this.drains = true;
		this.#drain();
	}

	/** What was sent since the last call: `Cluster +a +b -c #1`. */
	sent(): readonly string[] {
		return this.actions.splice(0).flatMap((action) => {
			if (action.type === "close") return [`close ${action.grpcStatus}: ${action.because}`];
			if (action.type !== "send") return [];
			const { response } = action;
			const type = response.typeUrl.slice(response.typeUrl.lastIndexOf(".") + 1);
			if (response.protocol === "sotw") return [[type, ...readSotw(response), `#${response.nonce}`].join(" ")];
			const { upserts, removed } = readDelta(response);
			const names = [...[...upserts.keys()].map((name) => `+${name}`), ...removed.map((name) => `-${name}`)];
			return [[type, ...names, `#${response.nonce}`].join(" ")];
		});
	}

	/** Asks for a type and confirms what comes. */
	asks(
		typeUrl: TypeUrl,
		subscribe: readonly string[] = [],
		initialVersions = new Map<string, string>(),
	): readonly string[] {
		this.request(deltaRequest(typeUrl, { subscribe, initialVersions }));
		const sent = this.sent();
		const nonce = this.state.types.get(typeUrl)?.inFlight?.nonce;
		if (nonce !== undefined) this.request(deltaRequest(typeUrl, { nonce }));
		return sent;
	}

	#feed(event: Parameters<typeof step>[2]): void {
		const { state, actions } = step(defaultSessionConfig, this.state, event);
		this.state = state;
		this.actions.push(...actions);
		this.#drain();
	}

	#drain(): void {
		if (this.drains && this.state.sendingSinceMs !== undefined) this.#feed({ type: "sent", atMs: this.nowMs });
	}
}

const version = (typeUrl: TypeUrl, name: string, content: string): string => resource(typeUrl, name, content).version;
const versions = (typeUrl: TypeUrl, contents: Readonly<Record<string, string>>): Map<string, string> =>
	new Map(Object.entries(contents).map(([name, content]) => [name, version(typeUrl, name, content)]));

describe("subscriptions of a delta stream", () => {
	const config = proxyConfig(
		resourceSet(cluster, { a: "1", b: "1" }),
		resourceSet(endpoints, { a: "1", b: "1", c: "1" }),
	);

	it("takes an empty first request for clusters as asking for everything", () => {
		assert.deepEqual(new Stream("delta", config).asks(cluster), ["Cluster +a +b #1"]);
	});

	it("takes an empty first request for endpoints as asking for nothing", () => {
		assert.deepEqual(new Stream("delta", config).asks(endpoints), []);
	});

	it("takes * as everything of any type", () => {
		assert.deepEqual(new Stream("delta", config).asks(endpoints, ["*"]), ["ClusterLoadAssignment +a +b +c #1"]);
	});

	it("sends only what is named once a first request names something", () => {
		assert.deepEqual(new Stream("delta", config).asks(cluster, ["b"]), ["Cluster +b #1"]);
	});

	it("keeps the wildcard when a later request names something, and answers the name", () => {
		const stream = new Stream("delta", config);
		stream.asks(cluster);
		assert.deepEqual(stream.asks(cluster, ["a"]), ["Cluster +a #2"]);
		stream.config(proxyConfig(resourceSet(cluster, { a: "1", b: "2" })));
		assert.deepEqual(stream.sent(), ["Cluster +b #3"]);
	});

	it("keeps the named when * is unsubscribed", () => {
		const stream = new Stream("delta", config);
		stream.asks(cluster, ["*", "a"]);
		stream.request(deltaRequest(cluster, { unsubscribe: ["*"] }));
		stream.config(proxyConfig(resourceSet(cluster, { a: "2", b: "2" })));
		assert.deepEqual(stream.sent(), ["Cluster +a #2"]);
	});

	it("does not fall back to everything when the last name is unsubscribed", () => {
		const stream = new Stream("delta", config);
		stream.asks(cluster, ["a"]);
		stream.request(deltaRequest(cluster, { unsubscribe: ["a"] }));
		stream.config(proxyConfig(resourceSet(cluster, { a: "2", b: "2" })));
		assert.deepEqual(stream.sent(), []);
	});

	it("says whether a wildcard still holds a name that is unsubscribed", () => {
		const stream = new Stream("delta", config);
		stream.asks(cluster, ["*", "a", "nowhere"]);
		stream.request(deltaRequest(cluster, { unsubscribe: ["a", "nowhere"] }));
		assert.deepEqual(stream.sent(), ["Cluster +a -nowhere #2"]);
	});

	it("answers a name that does not exist as removed, once, and sends it when it appears", () => {
		const stream = new Stream("delta", config);
		assert.deepEqual(stream.asks(endpoints, ["a", "late"]), ["ClusterLoadAssignment +a -late #1"]);
		stream.pass(60_000);
		assert.deepEqual(stream.sent(), []);
		stream.config(proxyConfig(resourceSet(endpoints, { a: "1", late: "1" })));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment +late #2"]);
	});

	it("sends a resource again when its name is subscribed again", () => {
		const stream = new Stream("delta", config);
		stream.asks(endpoints, ["a"]);
		assert.deepEqual(stream.asks(endpoints, ["a"]), ["ClusterLoadAssignment +a #2"]);
	});

	it("answers a type that nobody knows with nothing, so that the client need not wait", () => {
		assert.deepEqual(new Stream("delta", config).asks("type.googleapis.com/unknown.Thing"), ["Thing #1"]);
		assert.deepEqual(new Stream("delta", config).asks("type.googleapis.com/unknown.Thing", ["x"]), ["Thing -x #1"]);
	});

	it("waits while the proxy has no configuration", () => {
		const stream = new Stream("delta");
		assert.deepEqual(stream.asks(cluster), []);
		stream.config(config);
		assert.deepEqual(stream.sent(), ["Cluster +a +b #1"]);
	});

	it("cuts off a client that asks for too many types", () => {
		const stream = new Stream("delta", config);
		for (let index = 0; index < 25; index++) stream.request(deltaRequest(`type.googleapis.com/t${index}`));
		assert.match(stream.sent().at(-1) ?? "", /^close 8: more than 24 types/);
	});
});

describe("a delta stream that is opened again", () => {
	it("sends nothing when all versions are equal", () => {
		const stream = new Stream(
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
		const stream = new Stream("delta", proxyConfig(resourceSet(cluster, { a: "1", b: "2", c: "1" })));
		assert.deepEqual(stream.asks(cluster, [], versions(cluster, { a: "1", b: "1", gone: "1" })), ["Cluster +b +c #1"]);
		assert.deepEqual(stream.sent(), ["Cluster -gone #2"]);
	});

	it("answers an empty first request even when there is nothing, so that a new Envoy can start", () => {
		assert.deepEqual(new Stream("delta", proxyConfig()).asks(listener), ["Listener #1"]);
	});

	it("sends the endpoints of a cluster that changed, whatever version the client has", () => {
		const stream = new Stream(
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
		const stream = new Stream("delta", before);
		stream.request(deltaRequest(cluster));
		stream.config(after);
		stream.config(proxyConfig(resourceSet(cluster, { a: "3", b: "1" })));
		assert.deepEqual(stream.sent(), ["Cluster +a +b #1"]);
		stream.request(deltaRequest(cluster, { nonce: "1" }));
		assert.deepEqual(stream.sent(), ["Cluster +a #2"]);
	});

	it("goes on after a while when no answer comes", () => {
		const stream = new Stream("delta", before);
		stream.request(deltaRequest(cluster));
		stream.config(after);
		stream.sent();
		stream.pass(4_999);
		assert.deepEqual(stream.sent(), []);
		stream.pass(1);
		assert.deepEqual(stream.sent(), ["Cluster +a +b #2"]);
	});

	it("ignores the answer to an older response", () => {
		const stream = new Stream("delta", before);
		stream.asks(cluster);
		stream.config(after);
		stream.request(deltaRequest(cluster, { nonce: "1" }));
		stream.request(deltaRequest(cluster, { nonce: "77", error: { code: 3, message: "replayed" } }));
		assert.equal(typeStatuses(stream.state)[0]?.sync, "STALE");
		stream.request(deltaRequest(cluster, { nonce: "2" }));
		assert.equal(typeStatuses(stream.state)[0]?.sync, "SYNCED");
	});

	it("takes a change of names also from a request with an old nonce", () => {
		const stream = new Stream("delta", proxyConfig(resourceSet(endpoints, { a: "1", b: "1" })));
		stream.asks(endpoints, ["a"]);
		stream.request(deltaRequest(endpoints, { nonce: "99", subscribe: ["b"] }));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment +b #2"]);
	});

	it("records a NACK with the versions that it is about, and does not send them again until they change", () => {
		const stream = new Stream("delta", before);
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
		const stream = new Stream("delta", before);
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
		const stream = new Stream("delta", before);
		stream.request(deltaRequest(cluster));
		stream.request(deltaRequest(cluster, { nonce: "1", error: { code: 13, message: "no" } }));
		assert.deepEqual(typeStatuses(stream.state)[0]?.error?.names, ["a", "b"]);
	});

	it("tells how long the last change took to be confirmed", () => {
		const stream = new Stream("delta", before);
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
	const opened = (): Stream => {
		const stream = new Stream("delta", before);
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

	it("takes a removed listener's address over in the same message", () => {
		const stream = opened();
		stream.config(proxyConfig(...[...before.values()].slice(0, 2), resourceSet(listener, { l2: "new" })));
		assert.deepEqual(stream.sent()[0], "Listener +l2 -l #5");
	});
});

describe("back-pressure", () => {
	it("keeps one pending configuration while a message is being written", () => {
		const stream = new Stream("delta");
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
		const stream = new Stream("delta", proxyConfig(resourceSet(cluster, { a: "0" })));
		stream.drains = false;
		stream.request(deltaRequest(cluster));
		stream.pass(59_999);
		assert.deepEqual(stream.sent(), ["Cluster +a #1"]);
		stream.pass(1);
		assert.deepEqual(stream.sent(), ["close 4: the client did not take a message for 60000 ms"]);
	});
});

describe("a state-of-the-world stream", () => {
	const config = proxyConfig(
		resourceSet(cluster, { a: "1", b: "1" }),
		resourceSet(endpoints, { a: "1", b: "1", c: "1" }),
		resourceSet(listener, { l: "1" }),
		resourceSet(route, { r: "1" }),
	);
	const versionOf = (stream: Stream): string => {
		const sends = stream.actions.filter((action) => action.type === "send");
		const last = sends.at(-1);
		return last?.type === "send" ? last.response.version : "";
	};

	it("sends all clusters whenever one changes", () => {
		const stream = new Stream("sotw", config);
		stream.request(sotwRequest(cluster));
		assert.deepEqual(stream.sent(), ["Cluster a=1 b=1 #1"]);
		stream.request(sotwRequest(cluster, { nonce: "1" }));
		stream.config(proxyConfig(resourceSet(cluster, { a: "1", b: "2" })));
		assert.deepEqual(stream.sent(), ["Cluster a=1 b=2 #2"]);
	});

	it("sends the endpoints that are asked for, later ones when they are added, and changes alone", () => {
		const stream = new Stream("sotw", config);
		stream.request(sotwRequest(endpoints, { names: ["a"] }));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment a=1 #1"]);
		stream.request(sotwRequest(endpoints, { names: ["a", "b"], nonce: "1" }));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment b=1 #2"]);
		stream.request(sotwRequest(endpoints, { names: ["a", "b"], nonce: "2" }));
		stream.config(proxyConfig(resourceSet(endpoints, { a: "2", b: "1", c: "2" })));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment a=2 #3"]);
	});

	it("says nothing about endpoints that do not exist, and sends them when they appear", () => {
		const stream = new Stream("sotw", config);
		stream.request(sotwRequest(endpoints, { names: ["late"] }));
		assert.deepEqual(stream.sent(), []);
		stream.config(proxyConfig(resourceSet(endpoints, { late: "1" })));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment late=1 #1"]);
	});

	it("leaves out a listener that does not exist", () => {
		const stream = new Stream("sotw", config);
		stream.request(sotwRequest(listener, { names: ["l", "nowhere"] }));
		assert.deepEqual(stream.sent(), ["Listener l=1 #1"]);
	});

	it("ignores a request with a stale nonce, names and all", () => {
		const stream = new Stream("sotw", config);
		stream.request(sotwRequest(endpoints, { names: ["a"] }));
		stream.request(sotwRequest(endpoints, { names: ["a", "b"], nonce: "0" }));
		assert.deepEqual(stream.sent(), ["ClusterLoadAssignment a=1 #1"]);
	});

	it("does not repeat what was rejected", () => {
		const stream = new Stream("sotw", config);
		stream.request(sotwRequest(cluster));
		stream.sent();
		stream.request(sotwRequest(cluster, { nonce: "1", error: { code: 3, message: "bad b" } }));
		stream.pass(60_000);
		assert.deepEqual(stream.sent(), []);
		assert.equal(typeStatuses(stream.state)[0]?.sync, "ERROR");
	});

	it("keeps a removed cluster in the full set until listeners and routes let go of it", () => {
		const stream = new Stream("sotw", config);
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
		const first = new Stream("sotw", config);
		first.request(sotwRequest(endpoints, { names: ["a", "b"] }));
		const version = versionOf(first);
		const again = new Stream("sotw", config);
		again.request(sotwRequest(endpoints, { names: ["b", "a"], version }));
		assert.deepEqual(again.sent(), []);
		assert.equal(typeStatuses(again.state)[0]?.sync, "SYNCED");
		const more = new Stream("sotw", config);
		more.request(sotwRequest(endpoints, { names: ["a", "b", "c"], version }));
		assert.deepEqual(more.sent(), ["ClusterLoadAssignment a=1 b=1 c=1 #1"]);
	});
});

describe("bytes shared between streams", () => {
	it("are made once for a part and once for a difference", () => {
		const shared = resourceSet(cluster, { a: "1", b: "1" });
		const next = resourceSet(cluster, { a: "1", b: "2" });
		const pieces = [new Stream("delta", proxyConfig(shared)), new Stream("delta", proxyConfig(shared))].map(
			(stream) => {
				stream.request(deltaRequest(cluster));
				stream.request(deltaRequest(cluster, { nonce: "1" }));
				stream.config(proxyConfig(next));
				return stream.actions.flatMap((action) => (action.type === "send" ? action.response.pieces : []));
			},
		);
		const [first, second] = pieces;
		assert.deepEqual(
			first?.map(({ kind }) => kind),
			["part", "diff"],
		);
		assert.ok(first?.[0]?.kind === "part" && second?.[0]?.kind === "part" && first[0].part === second[0].part);
		assert.ok(first?.[1]?.kind === "diff" && second?.[1]?.kind === "diff" && first[1].diff === second[1].diff);
	});

	it("are also shared with a stream that names every resource of the part", () => {
		const stream = new Stream("delta", proxyConfig(resourceSet(endpoints, { a: "1", b: "1" })));
		stream.request(deltaRequest(endpoints, { subscribe: ["b", "a"] }));
		const [send] = stream.actions;
		assert.ok(send?.type === "send" && send.response.pieces[0]?.kind === "part");
	});
});
