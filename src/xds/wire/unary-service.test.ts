import assert from "node:assert/strict";
import { connect } from "node:http2";
import { after, before, describe, it } from "node:test";
import { realClock } from "../../runtime/clock.ts";
import type { XdsServer } from "./config-source.ts";
import { callUnary, type UnaryService } from "./unary-service.ts";
import { startXdsServer } from "./xds-server.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const metric = { add() {}, set() {}, observe() {} };
const metrics = { counter: () => metric, gauge: () => metric, histogram: () => metric };

describe("a call served beside ADS", () => {
	let server: XdsServer;
	before(async () => {
		server = await startXdsServer(
			{
				listen: { host: "127.0.0.1", port: 0 },
				services: new Map<string, UnaryService>([
					["/test.Echo/Echo", { handle: ({ message }) => ({ ok: true, message }) }],
					["/test.Echo/Refuse", { handle: () => ({ ok: false, grpcStatus: 7, because: "not you, café" }) }],
					[
						"/test.Echo/Throw",
						{
							handle: () => {
								throw new Error("broken");
							},
						},
					],
				]),
				maxRequestBytes: 1000,
			},
			{
				source: {
					connect: () => ({ ok: false, grpcStatus: 7, because: "no proxies here" }),
					configFor: () => undefined,
					disconnected() {},
				},
				clock: realClock,
				log: silent,
				metrics,
			},
		);
	});
	after(() => server.close());

	async function call(path: string, message: Uint8Array): Promise<Uint8Array> {
		assert.ok("port" in server.address);
		const session = connect(`http://127.0.0.1:${server.address.port}`);
		try {
			return await callUnary(session, path, message, { timeoutMs: 2000 });
		} finally {
			session.close();
		}
	}

	it("answers with the handler's message", async () => {
		assert.deepEqual(await call("/test.Echo/Echo", Uint8Array.of(1, 2, 3)), Buffer.from([1, 2, 3]));
	});

	it("says why it refuses", async () => {
		await assert.rejects(call("/test.Echo/Refuse", new Uint8Array()), /grpc-status 7 not you, café/);
	});

	it("survives a handler that throws, and tells the caller nothing of it", async () => {
		await assert.rejects(call("/test.Echo/Throw", new Uint8Array()), /grpc-status 13 (?!.*broken)/);
		assert.equal((await call("/test.Echo/Echo", Uint8Array.of(9))).length, 1);
	});

	it("refuses a message over the limit", async () => {
		await assert.rejects(call("/test.Echo/Echo", new Uint8Array(2000)), /grpc-status 8/);
	});

	it("does not know other methods", async () => {
		await assert.rejects(call("/test.Echo/Nothing", new Uint8Array()), /grpc-status 12/);
	});
});
