import assert from "node:assert/strict";
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { after, afterEach, before, describe, it } from "node:test";
import { type AppProbe, renderAppProbes } from "../../inject/app-probe.ts";
import { cannotRun } from "../../node/namespace-rig.testing.ts";
import { ProbeStandIn } from "./probe-stand-in.ts";

const name = `km-stand-in-${process.pid}`;
const netns = `/run/netns/${name}`;
const times = { timeoutMs: 1000, periodMs: 10_000 };

/** In the namespace: HTTP on 8080, gRPC's health service on 8081, nothing on 8082. */
const application = `
	const http = require("http"), http2 = require("http2");
	http.createServer((request, response) => {
		if (request.url === "/slow") return;
		response.writeHead(request.url === "/away" ? 302 : request.url.startsWith("/ready") ? 200 : 500, { location: "/x" });
		response.end();
		console.log(request.url, request.headers.host, request.headers["x-probe"]);
	}).listen(8080, "127.0.0.1", () => http2.createServer().on("stream", (stream, headers) => {
		let body = Buffer.alloc(0);
		stream.on("data", (chunk) => (body = Buffer.concat([body, chunk])));
		stream.on("end", () => {
			const service = body.subarray(7).toString();
			stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
			stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
			stream.end(Buffer.from([0, 0, 0, 0, 2, 8, service === "shop" ? 1 : 2]));
		});
	}).listen(8081, "127.0.0.1", () => console.log("up")));`;

describe("who answers a pod's probes while its Envoy is away", { skip: cannotRun }, () => {
	let app: ChildProcess | undefined;
	let said = "";
	let standIn: ProbeStandIn | undefined;
	before(async () => {
		execFileSync("ip", ["netns", "add", name]);
		execFileSync("ip", ["-n", name, "link", "set", "lo", "up"]);
		app = spawn("nsenter", [`--net=${netns}`, process.execPath, "-e", application], {
			stdio: ["ignore", "pipe", "inherit"],
		});
		app.stdout?.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		if (app.stdout) await once(app.stdout, "data");
	});
	after(() => {
		app?.kill("SIGKILL");
		execFileSync("ip", ["netns", "delete", name]);
	});
	afterEach(() => standIn?.close());

	const open = (): ProbeStandIn => {
		const probe = (kind: Partial<AppProbe>): AppProbe =>
			({ kind: "http", path: "/", tls: false, port: 8080, ...times, ...kind }) as AppProbe;
		const probes = new Map<string, AppProbe>([
			["/app-health/web/readyz", probe({ path: "/ready?deep=1" })],
			["/app-health/web/livez", probe({ path: "/live", host: "shop.example" })],
			["/app-health/web/startupz", probe({ path: "/away" })],
			["/app-health/slow/livez", probe({ path: "/slow" })],
			["/app-health/db/readyz", probe({ kind: "tcp" })],
			["/app-health/none/readyz", probe({ kind: "tcp", port: 8082 })],
			["/app-health/none/livez", probe({ port: 8082 })],
			["/app-health/rpc/readyz", probe({ kind: "grpc", port: 8081, service: "shop" })],
			["/app-health/rpc/livez", probe({ kind: "grpc", port: 8081, service: "other" })],
		]);
		standIn = new ProbeStandIn({
			netns,
			ips: ["10.244.1.7"],
			container: { logLevel: "info", probes: renderAppProbes(probes) },
		});
		standIn.open();
		return standIn;
	};
	const ask = (path: string): Promise<string> =>
		new Promise((resolve) => {
			const curl = [
				"curl",
				"-s",
				"-m",
				"5",
				"-o",
				"/dev/null",
				"-w",
				"%{http_code} %{redirect_url}",
				"-H",
				"x-probe: yes",
			];
			execFile("nsenter", [`--net=${netns}`, ...curl, `http://127.0.0.1:15020${path}`], (_, stdout) =>
				resolve(stdout.trim()),
			);
		});

	it("asks the application as Envoy would", async () => {
		open();
		assert.equal(await ask("/app-health/web/readyz"), "200");
		assert.equal(await ask("/app-health/web/livez"), "500");
		assert.match(said, /\/ready\?deep=1 10\.244\.1\.7:8080 yes\n\/live shop\.example yes/);
		assert.equal(await ask("/app-health/web/startupz"), "302");
		assert.equal(await ask("/app-health/db/readyz"), "200");
		assert.equal(await ask("/app-health/rpc/readyz"), "200");
	});

	it("says so when the application is not well, or does not answer in time", async () => {
		open();
		assert.equal(await ask("/app-health/none/readyz"), "503");
		assert.equal(await ask("/app-health/none/livez"), "503");
		assert.equal(await ask("/app-health/rpc/livez"), "503");
		assert.equal(await ask("/app-health/slow/livez"), "503");
		assert.equal(await ask("/other"), "404");
	});

	it("is out of the way at once when the next Envoy comes", async () => {
		const first = open();
		assert.equal(await ask("/app-health/db/readyz"), "200");
		first.close();
		assert.equal(await ask("/app-health/db/readyz"), "000");
		const second = open();
		assert.equal(await ask("/app-health/db/readyz"), "200");
		// Somebody has the port: no harm done, and none of it is left.
		const third = new ProbeStandIn({
			netns,
			ips: [],
			container: { logLevel: "info", probes: '{"/app-health/a/livez":{"tcpSocket":{"port":1}}}' },
		});
		third.open();
		assert.equal(await ask("/app-health/db/readyz"), "200");
		third.close();
		second.close();
		assert.equal(await ask("/app-health/db/readyz"), "000");
	});

	it("is nobody for pods whose probes stayed as they were", async () => {
		standIn = new ProbeStandIn({ netns, ips: [], container: { logLevel: "info" } });
		standIn.open();
		assert.equal(await ask("/app-health/db/readyz"), "000");
	});
});
