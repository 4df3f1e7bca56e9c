// What a server must bear: garbage, floods, silence, clients that never read. Each time it answers with one clear status,
// keeps its memory, and serves the next good client.

import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { after, before, describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { encodedFromBytes, resourcePart } from "../../envoy/encode-resource.ts";
import { encodeDeltaRequest } from "../relay-message.ts";
import { typeUrls } from "../resource.ts";
import { proxyConfig, resource, resourceSet } from "../session.testing.ts";
import { encodedNode, startTestControl, TestClient, type TestControl } from "./ads-client.testing.ts";
import { openAdsStream } from "./xds-client.ts";

const { cluster, endpoints } = typeUrls;

describe("the xDS server", () => {
	let control: TestControl;
	const to = () => ({ host: "127.0.0.1", port: control.port });
	const good = proxyConfig(resourceSet(cluster, { a: "1" }), resourceSet(endpoints, { a: "1" }));

	before(async () => {
		control = await startTestControl(good, { firstRequestMs: 300, keepAliveMs: 200, keepAliveTimeoutMs: 200 });
	});
	after(() => control.server.close());

	async function servesGoodClient(): Promise<void> {
		const client = new TestClient(to());
		client.ask({ typeUrl: cluster, node: encodedNode(`good-${performance.now()}`) });
		await client.until(() => client.held.get(cluster)?.size === 1);
		client.stream.close();
	}

	const badFirstMessages: readonly (readonly [string, () => Uint8Array, number, RegExp])[] = [
		["garbage", () => new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 3, /no valid protobuf/],
		[
			"random bytes",
			() => crypto.getRandomValues(new Uint8Array(4_000)),
			3,
			/no valid protobuf|names no type_url|no node/,
		],
		["a field that is cut off", () => encodeDeltaRequest({ typeUrl: cluster }).subarray(0, 20), 3, /no valid protobuf/],
		["an empty message", () => new Uint8Array(), 3, /names no type_url/],
		["no node", () => encodeDeltaRequest({ typeUrl: cluster }), 3, /first request has no node/],
		["a node without an id", () => encodeDeltaRequest({ typeUrl: cluster, node: new Uint8Array() }), 3, /no id/],
		[
			"2 MB of metadata",
			() => encodeDeltaRequest({ typeUrl: cluster, node: encodedNode("big", 2_000_000) }),
			3,
			/takes 20\d+ bytes; at most 1048576/,
		],
		["metadata nested 200,000 deep", () => encodeDeltaRequest({ typeUrl: cluster, node: deepNode(200_000) }), 3, /./],
		[
			"a node that the source does not know",
			() => encodeDeltaRequest({ typeUrl: cluster, node: encodedNode("stranger") }),
			7,
			/stranger is not known here/,
		],
	];
	for (const [what, bytes, grpcStatus, because] of badFirstMessages) {
		it(`answers ${what} with status ${grpcStatus}`, async () => {
			const client = new TestClient(to());
			client.stream.send(bytes());
			const closed = await client.closed;
			assert.equal(closed.grpcStatus, grpcStatus);
			assert.match(closed.because, because);
			await servesGoodClient();
		});
	}

	it("refuses 50 MB of metadata without taking it in", async () => {
		const before = process.memoryUsage().rss;
		const header = Buffer.from([0, 0x03, 0x00, 0x00, 0x00]);
		const session = connectHttp2(`http://127.0.0.1:${control.port}`);
		session.on("error", () => {});
		const stream = session.request({
			":method": "POST",
			":path": "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
			"content-type": "application/grpc",
		});
		stream.on("error", () => {});
		stream.resume();
		const status = new Promise((resolve) => stream.on("trailers", (trailers) => resolve(trailers["grpc-status"])));
		stream.write(header);
		const chunk = Buffer.alloc(64 * 1024);
		let left = 50 * 16;
		const push = (): void => {
			while (left-- > 0 && stream.writable && stream.write(chunk));
		};
		stream.on("drain", push);
		push();
		assert.equal(await status, "8");
		session.destroy();
		// What the client has ready to send is little; what a careless server kept would be fifty.
		assert.ok(process.memoryUsage().rss - before < 40 * 2 ** 20);
		await servesGoodClient();
	});

	it("answers a method that it does not have with status 12", async () => {
		const session = connectHttp2(`http://127.0.0.1:${control.port}`);
		const stream = session.request({ ":method": "POST", ":path": "/some.Service/Method" });
		const status = await new Promise((resolve) => stream.on("response", (headers) => resolve(headers["grpc-status"])));
		assert.equal(status, "12");
		session.destroy();
	});

	it("takes 10,000 names in one request and answers each", async () => {
		const client = new TestClient(to());
		const subscribe = ["a", ...Array.from({ length: 10_000 }, (_, index) => `nowhere-${index}`)];
		client.ask({ typeUrl: endpoints, node: encodedNode("many-names"), subscribe });
		await client.until(() => client.received.length === 1);
		assert.equal(client.received[0]?.removed.length, 10_000);
		assert.deepEqual([...(client.held.get(endpoints)?.keys() ?? [])], ["a"]);
		client.stream.close();
	});

	it("ignores a nonce that is replayed ten thousand times", async () => {
		const client = new TestClient(to());
		client.ask({ typeUrl: cluster, node: encodedNode("replayer") });
		await client.until(() => client.received.length === 1);
		for (let index = 0; index < 10_000; index++) client.ask({ typeUrl: cluster, nonce: "1" });
		client.ask({ typeUrl: endpoints, subscribe: ["a"] });
		await client.until(() => client.held.get(endpoints)?.size === 1);
		assert.equal(client.received.length, 2);
		client.stream.close();
	});

	it("cuts off a stream that never says who it is", async () => {
		const client = new TestClient(to());
		assert.deepEqual(await client.closed, { grpcStatus: 4, because: "no request came" });
	});

	it("drops connections that do not speak HTTP/2 or stop answering", async () => {
		const talker = connectTcp(control.port, "127.0.0.1");
		talker.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
		const silent = connectTcp(control.port, "127.0.0.1");
		for (const socket of [talker, silent]) {
			socket.on("error", () => {});
			socket.resume();
			await new Promise((resolve) => socket.on("close", resolve));
		}
		await servesGoodClient();
	});

	it("ends while clients hold connections that they never end themselves", { timeout: 5_000 }, async () => {
		const ending = await startTestControl(good);
		const client = connectTcp({ port: ending.port, host: "127.0.0.1", allowHalfOpen: true });
		client.on("error", () => {});
		client.write(
			Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0, 0])]),
		);
		await new Promise((resolve) => client.once("data", resolve));
		await ending.server.close();
		client.destroy();
	});

	it("tells an Envoy that asks for one type by its own service to use ADS", { timeout: 5_000 }, async () => {
		const session = connectHttp2(`http://127.0.0.1:${control.port}`);
		const path = "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters";
		const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
		const headers = await new Promise<Record<string, unknown>>((resolve) => stream.once("response", resolve));
		assert.equal(headers["grpc-status"], "12");
		assert.match(decodeURIComponent(String(headers["grpc-message"])), /served by ADS only: set ads_config/);
		session.destroy();
	});

	it("lets a newer stream of a node take over, and tells its source of one disconnect only", async () => {
		const first = new TestClient(to());
		first.ask({ typeUrl: cluster, node: encodedNode("twice") });
		await first.until(() => first.received.length === 1);
		const second = new TestClient(to());
		second.ask({ typeUrl: cluster, node: encodedNode("twice") });
		assert.deepEqual(await first.closed, { grpcStatus: 10, because: "a newer stream of the same node took over" });
		await second.until(() => second.received.length === 1);
		assert.equal(control.disconnected.includes("twice"), false);
		second.stream.close();
		await second.until(() => control.disconnected.filter((id) => id === "twice").length === 1);
	});

	it("counts on how many proxies a version is applied, and why not on the others", async () => {
		const clients = Array.from({ length: 3 }, () => new TestClient(to()));
		for (const [index, client] of clients.entries()) {
			client.answers = false;
			client.ask({ typeUrl: cluster, node: encodedNode(`counted-${index}`) });
		}
		await Promise.all(clients.map((client) => client.until(() => client.received.length === 1)));
		clients[0]?.ask({ typeUrl: cluster, nonce: "1" });
		const error = new BinaryWriter().tag(7, WireType.LengthDelimited).fork().tag(2, WireType.LengthDelimited);
		const nack = error.string("a: no such thing").join().finish();
		clients[1]?.stream.send(encodeDeltaRequest({ typeUrl: cluster, nonce: "1" }), nack);
		const version = resource(cluster, "a", "1").version;
		const applied = () => control.server.appliedOn("a", cluster, version);
		await clients[0]?.until(() => applied().applied === 1 && applied().rejected.length === 1);
		assert.deepEqual(applied(), {
			wanted: 3,
			applied: 1,
			rejected: [{ proxyId: "counted-1", because: "a: no such thing" }],
		});
		for (const client of clients) client.stream.close();
	});

	it("outlives a storm of streams that open and close", async () => {
		const before = process.memoryUsage().heapUsed;
		for (let round = 0; round < 20; round++) {
			const storm = Array.from({ length: 25 }, (_, index) => {
				const client = new TestClient(to());
				client.ask({ typeUrl: cluster, node: encodedNode(`storm-${round}-${index}`) });
				return client;
			});
			await new Promise((resolve) => setTimeout(resolve, 5));
			for (const client of storm) client.stream.close();
			await Promise.all(storm.map(({ closed }) => closed));
		}
		await servesGoodClient();
		const last = new TestClient(to());
		await last.until(() => control.server.sessions().every(({ nodeId }) => !nodeId.startsWith("storm")));
		last.stream.close();
		assert.ok(process.memoryUsage().heapUsed - before < 60 * 2 ** 20);
	});
});

describe("a client that never reads", () => {
	const cleanUp: (() => Promise<void>)[] = [];
	after(async () => {
		for (const run of cleanUp.reverse()) await run();
	});

	it("costs the server one pending configuration, and is cut off", async () => {
		const big = (round: number) =>
			proxyConfig({
				typeUrl: cluster,
				parts: [
					resourcePart(
						Array.from({ length: 200 }, (_, index) =>
							encodedFromBytes(`c${index}`, cluster, new Uint8Array(10_000).fill(round)),
						),
					),
				],
			});
		const control = await startTestControl(big(0), { session: { stallMs: 1_500 } });
		cleanUp.push(() => control.server.close());
		const to = { host: "127.0.0.1", port: control.port };
		const reader = new TestClient(to);
		cleanUp.push(async () => reader.stream.close());
		reader.ask({ typeUrl: cluster, node: encodedNode("reader") });
		await reader.until(() => reader.received.length === 1);
		// Its window is 64 KiB, and it reads none of it.
		let because = "";
		const sleeper = openAdsStream(
			{ to, windowBytes: 65_535 },
			{
				message: () => {},
				closed: (_status, why) => {
					because = why;
				},
			},
		);
		cleanUp.push(async () => sleeper.close());
		sleeper.pause();
		sleeper.send(encodeDeltaRequest({ typeUrl: cluster, node: encodedNode("sleeper") }));
		await reader.until(() => control.server.sessions().length === 2);
		reader.received.length = 0;
		const before = await liveBytes();
		for (let round = 1; round <= 40; round++) {
			control.setConfig(big(round));
			const version = big(round).get(cluster)?.parts[0]?.resources.get("c0")?.version;
			await reader.until(() => reader.held.get(cluster)?.get("c0") === version);
			reader.received.length = 0;
		}
		// Forty configurations of 2 MB went by; a queue would hold 80 MB for the one that sleeps.
		const grownMb = ((await liveBytes()) - before) / 2 ** 20;
		assert.ok(grownMb < 30, `grew by ${grownMb.toFixed(0)} MB`);
		await reader.until(() => control.disconnected.includes("sleeper"));
		sleeper.resume();
		await reader.until(() => because !== "");
	});
});

/** Bytes still in use once garbage is gone; buffers are freed a little after their owners. */
async function liveBytes(): Promise<number> {
	setFlagsFromString("--expose-gc");
	const collectGarbage = runInNewContext("gc") as () => void;
	for (let round = 0; round < 3; round++) {
		collectGarbage();
		await new Promise((resolve) => setTimeout(resolve, 30));
	}
	const { arrayBuffers, heapUsed } = process.memoryUsage();
	return arrayBuffers + heapUsed;
}

/** A node whose metadata is a list in a list in a list ... */
function deepNode(depth: number): Uint8Array {
	// Value.list_value (6) { ListValue.values (1) { Value ... } }: built from the inside out, without recursion.
	const parts: Uint8Array[] = [];
	let length = 0;
	for (let level = 0; level < depth; level++) {
		const inner = level % 2 === 0 ? 0x32 : 0x0a;
		const head = [inner, ...varint(length)];
		parts.push(Uint8Array.from(head));
		length += head.length;
	}
	const value = Buffer.concat(parts.reverse());
	const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string("deep");
	writer.tag(3, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork();
	writer.tag(1, WireType.LengthDelimited).string("x").tag(2, WireType.LengthDelimited).bytes(value).join().join();
	return writer.finish();
}

function varint(value: number): number[] {
	const bytes: number[] = [];
	let rest = value;
	for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
	return [...bytes, rest];
}
