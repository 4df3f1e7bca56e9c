import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { newSerial } from "../../identity/authority/new-certificates.ts";
import { keyIdOf, newAuthorityKey, publicKeyDer, signerOf } from "../../identity/authority/signing-key.ts";
import { distinguishedName, signCertificate } from "../../identity/certificate.ts";
import { pemFromDer } from "../../identity/certificate-request.ts";
import type { AppProbe } from "../../inject/app-probe.ts";
import { envoyPath } from "../envoy-validates.testing.ts";
import { appProbes } from "./app-probes.ts";
import { httpListener } from "./static-resources.ts";

const times = { timeoutMs: 1000, periodMs: 2000 };

function selfSigned(): { readonly cert: string; readonly key: string } {
	const key = newAuthorityKey();
	const publicKey = publicKeyDer(key);
	const name = distinguishedName("nobody has heard of it");
	const keyId = keyIdOf(publicKey);
	const fields = {
		serial: newSerial(),
		issuerName: name,
		subjectName: name,
		notBeforeMs: Date.now() - 60_000,
		notAfterMs: Date.now() + 3_600_000,
		publicKey,
		subjectKeyId: keyId,
		authorityKeyId: keyId,
		dnsNames: ["elsewhere.example"],
	};
	const cert = pemFromDer("CERTIFICATE", signCertificate(fields, signerOf(key)));
	return { cert, key: key.export({ type: "pkcs8", format: "pem" }).toString() };
}

describe("the application's probes at the proxy", () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-probes-"));
	const socketPath = join(directory, "probes.sock");
	const servers: Server[] = [];
	let envoy: ChildProcess | undefined;
	let asked = { url: "", host: "", "x-probe": "" };
	let grpcStatus = 1;

	const listen = async (server: Server): Promise<number> => {
		servers.push(server);
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		return (server.address() as AddressInfo).port;
	};
	const get = (path: string): Promise<{ status: number; headers: Readonly<Record<string, unknown>>; body: string }> =>
		new Promise((resolve, reject) => {
			const options = { socketPath, path, headers: { host: "10.1.0.5:15020", "x-probe": "yes" } };
			request(options, (response) => {
				let body = "";
				response.setEncoding("utf8").on("data", (chunk) => {
					body += chunk;
				});
				response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
			})
				.on("error", reject)
				.end();
		});
	const until = async (path: string, status: number): Promise<void> => {
		let last = 0;
		for (let tries = 0; tries < 100; tries++) {
			last = await get(path).then(
				(answer) => answer.status,
				() => 0,
			);
			if (last === status) return;
			await sleep(100);
		}
		assert.equal(last, status, path);
	};

	let tcp: Server;
	let tcpPort = 0;
	let webPort = 0;
	before(async () => {
		const plain = createServer((incoming, response) => {
			asked = {
				url: incoming.url ?? "",
				host: incoming.headers.host ?? "",
				"x-probe": String(incoming.headers["x-probe"] ?? ""),
			};
			if (incoming.url === "/away") response.writeHead(302, { location: "/login" });
			else if (incoming.url === "/bad") response.writeHead(500);
			else if (incoming.url === "/slow") return;
			response.end("well");
		});
		const secure = createSecureServer(selfSigned(), (_incoming, response) => response.end("secure"));
		const grpc = createHttp2Server().on("stream", (stream: ServerHttp2Stream) => {
			stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
			stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
			stream.end(Buffer.from([0, 0, 0, 0, 2, 8, grpcStatus]));
		});
		tcp = createTcpServer((socket) => socket.on("error", () => {}));
		tcpPort = await listen(tcp);
		webPort = await listen(plain);
		const port = webPort;
		const probers = new Map<string, AppProbe>([
			["/app-health/web/readyz", { kind: "http", port, path: "/ready?deep=1", tls: false, ...times }],
			["/app-health/web/livez", { kind: "http", port, path: "/live", tls: false, host: "shop.example", ...times }],
			["/app-health/web/startupz", { kind: "http", port, path: "/bad", tls: false, ...times }],
			["/app-health/slow/livez", { kind: "http", port, path: "/slow", tls: false, ...times }],
			["/app-health/away/readyz", { kind: "http", port, path: "/away", tls: false, ...times }],
			["/app-health/tls/readyz", { kind: "http", port: await listen(secure), path: "/", tls: true, ...times }],
			["/app-health/db/readyz", { kind: "tcp", port: tcpPort, ...times }],
			["/app-health/rpc/readyz", { kind: "grpc", port: await listen(grpc), service: "shop", ...times }],
		]);
		const { clusters, filters, routes } = appProbes(probers, { address: "127.0.0.1" });
		const bootstrap = {
			admin: { address: { pipe: { path: join(directory, "admin.sock") } } },
			static_resources: { clusters, listeners: [httpListener("probes", { socketPath }, filters, routes)] },
		};
		const file = join(directory, "bootstrap.json");
		writeFileSync(file, JSON.stringify(bootstrap));
		const args = ["--config-path", file, "--disable-hot-restart", "--concurrency", "1", "--log-level", "error"];
		envoy = spawn(envoyPath, args, { stdio: ["ignore", "ignore", "inherit"] });
		await until("/app-health/web/readyz", 200);
	});
	after(() => {
		envoy?.kill("SIGKILL");
		for (const server of servers) server.close();
		rmSync(directory, { recursive: true });
	});

	it("asks the application as Kubernetes would have: its path with the query, address and port as host, other headers kept", async () => {
		const { status, body } = await get("/app-health/web/readyz");
		assert.deepEqual([status, body], [200, "well"]);
		assert.deepEqual(asked, { url: "/ready?deep=1", host: `127.0.0.1:${webPort}`, "x-probe": "yes" });
	});

	it("sends the host that the probe asked for", async () => {
		assert.equal((await get("/app-health/web/livez")).status, 200);
		assert.deepEqual([asked.url, asked.host], ["/live", "shop.example"]);
	});

	it("hands on that the application is not well", async () => {
		assert.equal((await get("/app-health/web/startupz")).status, 500);
	});

	it("gives up after the probe's timeout", async () => {
		const startMs = performance.now();
		assert.equal((await get("/app-health/slow/livez")).status, 504);
		assert.ok(performance.now() - startMs < 3000);
	});

	it("takes a redirect for a success, without leading Kubernetes to a path that only the application has", async () => {
		const { status, headers } = await get("/app-health/away/readyz");
		assert.deepEqual([status, headers.location], [302, undefined]);
	});

	it("asks by TLS where the probe does, whatever the certificate", async () => {
		assert.deepEqual(await get("/app-health/tls/readyz").then(({ status, body }) => [status, body]), [200, "secure"]);
	});

	it("answers a TCP probe by whether the application's port is open", async () => {
		await until("/app-health/db/readyz", 200);
		tcp.close();
		await until("/app-health/db/readyz", 503);
		await new Promise<void>((resolve) => tcp.listen(tcpPort, "127.0.0.1", resolve));
		await until("/app-health/db/readyz", 200);
	});

	it("answers a gRPC probe by what the application says of its service", async () => {
		await until("/app-health/rpc/readyz", 200);
		grpcStatus = 2;
		await until("/app-health/rpc/readyz", 503);
	});

	it("knows no other path", async () => {
		assert.equal((await get("/app-health/other/readyz")).status, 404);
	});
});
