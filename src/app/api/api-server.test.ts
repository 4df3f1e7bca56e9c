import assert from "node:assert/strict";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { silentLog } from "../../runtime/log.ts";
import { ApiError, type ApiServer, startApiServer } from "./api-server.ts";
import { judgeRequest } from "./request-guard.ts";

describe("API server", () => {
	let server: ApiServer;
	before(async () => {
		server = await startApiServer(
			{ host: "127.0.0.1", port: 0, allowedHosts: ["mesh.example"], maxBodyBytes: 1000 },
			[
				{
					method: "GET",
					path: "/things/{name}",
					answer: ({ path, query }) => ({ json: { ...path, q: query.get("q") } }),
				},
				{ method: "PUT", path: "/things", answer: async ({ body }) => ({ json: { length: (await body()).length } }) },
				{
					method: "GET",
					path: "/fails",
					answer: () => {
						throw new Error("secret detail");
					},
				},
				{
					method: "GET",
					path: "/refuses",
					answer: () => {
						throw new ApiError(409, "no", "do that");
					},
				},
			],
			silentLog,
		);
	});
	after(() => server.close());

	function call(
		path: string,
		options: { method?: string; headers?: Record<string, string>; body?: string } = {},
	): Promise<{ status: number; body: string }> {
		return new Promise((done, fail) => {
			const { method = "GET", headers = {}, body } = options;
			const sent = request({ host: "127.0.0.1", port: server.port, path, method, headers }, (response) => {
				let text = "";
				response.on("data", (chunk) => {
					text += chunk;
				});
				response.on("end", () => done({ status: response.statusCode ?? 0, body: text }));
			});
			sent.on("error", fail);
			sent.end(body);
		});
	}

	it("tells callers from elsewhere nothing but health and metrics, where it is to", () => {
		const judge = (remoteAddress: string, url: string, method = "GET"): boolean => {
			const request = { method, url, headers: { host: "10.0.0.1:15014" }, socket: { remoteAddress } };
			return judgeRequest(request as unknown as IncomingMessage, [], true).ok;
		};
		assert.ok(judge("10.244.1.7", "/metrics"));
		assert.ok(judge("::ffff:10.244.1.7", "/readyz?verbose"));
		assert.ok(!judge("10.244.1.7", "/api/v1/resources"));
		assert.ok(!judge("10.244.1.7", "/metrics/../api/v1/resources"));
		assert.ok(!judge("::ffff:10.127.0.1", "/api/v1/rotation", "POST"));
		assert.ok(!judge("10.244.1.7", "/metrics", "POST"));
		assert.ok(judge("127.0.0.1", "/api/v1/rotation", "POST"));
		assert.ok(judge("::ffff:127.0.0.1", "/api/v1/resources"));
	});

	it("gives a route its path parameters and query, decoded", async () => {
		assert.deepEqual(JSON.parse((await call("/things/a%2Fb?q=1")).body), { name: "a/b", q: "1" });
	});

	for (const [host, status] of [
		["127.0.0.1", 200],
		["localhost:1", 200],
		["[::1]:15014", 200],
		["lab.localhost", 200],
		["mesh.example:15014", 200],
		["evil.example", 403],
		["127.0.0.1.evil.example", 403],
		["localhost.evil.example", 403],
	] as const) {
		it(`answers ${status} to Host ${host}`, async () => {
			assert.equal((await call("/things/a", { headers: { host } })).status, status);
		});
	}

	it("refuses what a page of another origin asks, and answers its own pages", async () => {
		const host = "localhost:9";
		assert.equal((await call("/things/a", { headers: { host, origin: "http://evil.example" } })).status, 403);
		assert.equal((await call("/things/a", { headers: { host, origin: "null" } })).status, 403);
		assert.equal((await call("/things/a", { headers: { host, origin: "http://localhost:9" } })).status, 200);
	});

	it("refuses a body over the limit, and serves the next request", async () => {
		const large = await call("/things", { method: "PUT", body: "x".repeat(5000) });
		assert.equal(large.status, 413);
		assert.deepEqual(JSON.parse((await call("/things", { method: "PUT", body: "xyz" })).body), { length: 3 });
	});

	it("says what is wrong with a path or a method", async () => {
		assert.equal((await call("/nothing")).status, 404);
		assert.equal((await call("/things/%ff")).status, 404);
		const wrong = await call("/things", { method: "DELETE" });
		assert.deepEqual([wrong.status, JSON.parse(wrong.body).next], [405, "use PUT"]);
	});

	it("shows a refusal as it is, and the inside of a failure to nobody", async () => {
		assert.deepEqual(await call("/refuses"), { status: 409, body: '{"error":"no","next":"do that"}' });
		const failed = await call("/fails");
		assert.equal(failed.status, 500);
		assert.doesNotMatch(failed.body, /secret detail/);
	});

	it("outlives garbage instead of HTTP", async () => {
		await new Promise<void>((done) => {
			const socket = connect(server.port, "127.0.0.1", () => socket.end("\0\0\0GARBAGE\r\n\r\n"));
			socket.on("close", () => done()).on("error", () => {});
			socket.resume();
		});
		assert.equal((await call("/things/a")).status, 200);
	});
});
