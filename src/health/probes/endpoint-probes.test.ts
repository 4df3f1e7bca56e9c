// TCP, HTTP and gRPC probes against real servers on loopback, which are killed, hang and come back. Intervals are long where the
// point is that nothing waits for them.

import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { afterEach, describe, it } from "node:test";
import type { TrackerCheck } from "../../vip/vip-config.ts";
import { HealthResponseReader } from "./grpc-health-message.ts";
import { isBad, isGood, type Observed, observe } from "./probe.testing.ts";
import { type ServerProcess, startServer } from "./server.testing.ts";

const seldom = { intervalMs: 60_000, timeoutMs: 1000 };
const often = { intervalMs: 20, timeoutMs: 200 };
/** On a machine with other work; the figures printed are what is usual. Far from the interval, of which the first is half at least. */
const soonMs = 2_000;

describe("probes of endpoints", () => {
	const servers: ServerProcess[] = [];
	const probes: Observed[] = [];
	const serve = async (kind: "tcp" | "http" | "grpc", port?: number): Promise<ServerProcess> => {
		const server = await startServer(kind, port);
		servers.push(server);
		return server;
	};
	const watch = (check: TrackerCheck): Observed => {
		const probe = observe(check);
		probes.push(probe);
		return probe;
	};
	const http = (server: { port: number }, polling: typeof seldom): TrackerCheck => ({
		type: "http",
		url: `http://127.0.0.1:${server.port}/healthz/ready?x=1`,
		insecure: false,
		...polling,
	});
	const tcp = (server: { port: number }, polling: typeof seldom): TrackerCheck => ({
		type: "tcp",
		host: "127.0.0.1",
		port: server.port,
		...polling,
	});
	const grpc = (server: { port: number }, polling: typeof seldom, service = ""): TrackerCheck => ({
		type: "grpc",
		host: "127.0.0.1",
		port: server.port,
		service,
		...polling,
	});

	afterEach(async () => {
		for (const probe of probes.splice(0)) probe.close();
		for (const server of servers.splice(0)) await server.kill();
	});

	for (const [kind, check] of [
		["tcp", tcp],
		["http", http],
		["grpc", grpc],
	] as const)
		it(`${kind}: sees the death of the server at once, whatever the interval, and its return by the interval`, async (t) => {
			const server = await serve(kind);
			const probe = watch(check(server, seldom));
			assert.equal((await probe.next()).ok, true);
			await new Promise((done) => setTimeout(done, 250));
			const dead = probe.next(isBad);
			await server.kill();
			const { afterMs, because } = await dead;
			t.diagnostic(`${kind}: seen ${afterMs.toFixed(1)} ms after the kill: ${because}`);
			assert.ok(afterMs < soonMs, `${afterMs} ms`);
			// The last is what a check that was under way at that moment sees.
			assert.match(because, /refused|reset|closed/);
			probe.close();
			const returning = watch(check(server, often));
			assert.equal((await returning.next()).ok, false);
			await serve(kind, server.port);
			assert.equal((await returning.next(isGood)).ok, true);
		});

	for (const [kind, check] of [
		["http", http],
		["grpc", grpc],
	] as const)
		it(`${kind}: a stopped server is one that does not answer in time`, async () => {
			const server = await serve(kind);
			const probe = watch(check(server, often));
			await probe.next(isGood);
			server.child.kill("SIGSTOP");
			const { because, tookMs } = await probe.next(isBad);
			assert.equal(because, "no answer within 200 ms");
			assert.ok(tookMs >= 199 && tookMs < 2_000, `${tookMs} ms`);
			server.child.kill("SIGCONT");
			await probe.next(isGood);
		});

	it("http: a status under 400 is good, redirects are not followed, everything else is not", async () => {
		const server = await serve("http");
		const probe = watch(http(server, often));
		for (const [answer, ok] of [
			["200", true],
			["302", true],
			["399", true],
			["400", false],
			["404", false],
			["503", false],
		] as const) {
			server.say(answer);
			assert.equal((await probe.next((result) => result.because === `HTTP ${answer}`)).ok, ok);
		}
		server.say("hang");
		assert.equal((await probe.next((result) => result.because === "no answer within 200 ms")).ok, false);
	});

	it("http: keeps asking a server that closes every connection, only at the interval", async () => {
		let connections = 0;
		const server = createServer((socket) => {
			connections++;
			socket.on("error", () => {});
			socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
		}).listen(0, "127.0.0.1");
		await new Promise((done) => server.once("listening", done));
		const startMs = performance.now();
		const probe = watch(http(server.address() as AddressInfo, { intervalMs: 100, timeoutMs: 2000 }));
		while (performance.now() - startMs < 450 || (connections < 3 && performance.now() - startMs < 30_000))
			await new Promise((done) => setTimeout(done, 10));
		const elapsedMs = performance.now() - startMs;
		probe.close();
		server.close();
		assert.ok(connections >= 3 && connections <= elapsedMs / 100 + 3, `${connections} connections, ${elapsedMs} ms`);
		assert.ok(probe.results.every((result) => result.ok));
	});

	it("tcp: says why where nobody listens", async () => {
		const server = await serve("tcp");
		await server.kill();
		const { ok, because } = await watch(tcp(server, { ...often, timeoutMs: 2000 })).next();
		assert.deepEqual([ok, because], [false, "connection refused"]);
	});

	it("grpc: knows a change of status from Watch, without waiting for the interval", async (t) => {
		const server = await serve("grpc");
		const probe = watch(grpc(server, seldom, "shop"));
		assert.deepEqual((await probe.next()).because, "SERVING");
		await new Promise((done) => setTimeout(done, 50));
		const changed = probe.next(isBad);
		server.say("2");
		const { because, afterMs } = await changed;
		t.diagnostic(`grpc: NOT_SERVING seen after ${afterMs.toFixed(1)} ms`);
		assert.equal(because, "NOT_SERVING");
		assert.ok(afterMs < soonMs, `${afterMs} ms`);
	});

	it("grpc: polls where the server offers no Watch", async () => {
		const server = await serve("grpc");
		server.say("nowatch");
		const probe = watch(grpc(server, often));
		await probe.next(isGood);
		server.say("2");
		assert.equal((await probe.next(isBad)).because, "NOT_SERVING");
	});

	it("grpc: names a service that the server does not know", async () => {
		const server = await serve("grpc");
		assert.match(
			(await watch(grpc(server, { ...often, timeoutMs: 2000 }, "missing")).next()).because,
			/knows no service "missing"/,
		);
	});

	it("grpc: refuses answers that are none", () => {
		assert.deepEqual(new HealthResponseReader().push(Buffer.from([0, 0, 0, 0, 0])), ["UNKNOWN"]);
		assert.deepEqual(new HealthResponseReader().push(Buffer.from([0, 0, 0, 0, 4, 0x12, 0, 8, 1])), ["SERVING"]);
		for (const bytes of [
			[1, 0, 0, 0, 0],
			[0, 255, 0, 0, 0],
			[0, 0, 0, 0, 1, 8],
			[0, 0, 0, 0, 2, 0x0f, 0],
		])
			assert.throws(() => new HealthResponseReader().push(Buffer.from(bytes)));
	});
});
