import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { goodAnswers, summarise } from "./load-report.ts";
import { sendLoad } from "./send-load.ts";

describe("a sender", () => {
	let server: Server;
	let port = 0;
	let answered = 0;
	before(async () => {
		server = createServer((request, response) => {
			answered++;
			if (request.url === "/hang") return;
			if (request.url === "/cut") return void request.socket.destroy();
			response.writeHead(answered % 4 === 0 ? 503 : 200, { "x-version": answered % 2 === 0 ? "v2" : "v1" });
			response.end("ok");
		});
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		port = (server.address() as AddressInfo).port;
	});
	after(() => {
		server.closeAllConnections();
		server.close();
	});

	it("accounts for every request, by status and by version", async () => {
		answered = 0;
		const report = await sendLoad({
			host: "127.0.0.1",
			port,
			path: "/",
			requests: 100,
			concurrency: 4,
			countHeader: "x-version",
		});
		assert.equal(report.sent, 100);
		assert.deepEqual(report.byOutcome, { "200": 75, "503": 25 });
		assert.deepEqual(report.byVersion, { v1: 50, v2: 50 });
		assert.equal(goodAnswers(report), 75);
	});

	it("takes in answers also while it is behind its schedule, and says how late it was", async () => {
		const stop = new AbortController();
		server.once("request", () => stop.abort());
		const flood = { requests: 3000, concurrency: 1, ratePerSecond: 1_000_000 };
		const report = await sendLoad({ host: "127.0.0.1", port, path: "/", ...flood }, stop.signal);
		assert.ok(report.sent < flood.requests, "all were sent before the first was answered");
		assert.ok((report.lateMs ?? 0) > 0);
	});

	it("names what went wrong when no answer came", async () => {
		const to = { host: "127.0.0.1", requests: 2, concurrency: 1 };
		assert.deepEqual((await sendLoad({ ...to, port, path: "/hang", timeoutMs: 50 })).byOutcome, { timeout: 2 });
		assert.deepEqual((await sendLoad({ ...to, port, path: "/cut" })).byOutcome, { ECONNRESET: 2 });
		assert.deepEqual((await sendLoad({ ...to, port: 1, path: "/" })).byOutcome, { ECONNREFUSED: 2 });
	});

	it("lets as many kept connections as it is told take turns", async () => {
		const seen = new Map<number | undefined, number>();
		const count = ({ socket }: IncomingMessage): void => {
			seen.set(socket.remotePort, (seen.get(socket.remotePort) ?? 0) + 1);
		};
		server.on("request", count);
		const turns = { requests: 12, concurrency: 1, ratePerSecond: 100, keptConnections: 3 };
		await sendLoad({ host: "127.0.0.1", port, path: "/", ...turns });
		server.off("request", count);
		assert.deepEqual([...seen.values()], [4, 4, 4]);
	});

	it("keeps its schedule in an open loop, whether answers come or not", async () => {
		const report = await sendLoad({
			host: "127.0.0.1",
			port,
			path: "/hang",
			requests: 20,
			concurrency: 1,
			ratePerSecond: 200,
			timeoutMs: 100,
		});
		assert.deepEqual(report.byOutcome, { timeout: 20 });
		assert.ok(report.durationMs < 1000, `took ${report.durationMs} ms`);
	});
});

describe("a load report", () => {
	it("shows the longest time without a good answer", () => {
		const at = (endMs: number, outcome = "200") => ({ startMs: endMs - 1, endMs, outcome, version: "v1" });
		assert.equal(summarise([at(10), at(20), at(50, "503"), at(90)], 100).longestGapMs, 70);
		assert.equal(summarise([at(50, "503")], 100).longestGapMs, 100);
	});
});
