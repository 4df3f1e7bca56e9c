import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, get } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { httpListener } from "../envoy/bootstrap/static-resources.ts";
import { countConnections, drainEnvoy } from "./drain-envoy.ts";

describe("how many connections are left", () => {
	it("counts those of applications, once, and not the proxy's own", () => {
		const stats = [
			"listener.0.0.0.0_15006.downstream_cx_active: 3",
			"listener.0.0.0.0_15006.worker_0.downstream_cx_active: 3",
			"listener.10.1.0.5_8443.downstream_cx_active: 2",
			"listener.0.0.0.0_15021.downstream_cx_active: 1",
			"listener.admin.downstream_cx_active: 1",
			"listener./etc/istio/proxy/watch.sock.downstream_cx_active: 3",
			"listener.@keepmesh-lease.downstream_cx_active: 1",
			"http.inbound.downstream_cx_active: 3",
		];
		assert.equal(countConnections(stats.join("\n"), "both"), 5);
		assert.equal(countConnections(stats.join("\n"), "inbound"), 3, "not those of the application to others");
	});
});

describe("draining a real Envoy", () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-drain-"));
	const envoyPath = resolve(import.meta.dirname, "../../.keepmesh/envoy");
	let envoy: ChildProcess | undefined;
	let admin = { host: "127.0.0.1", port: 0 };
	let port = 0;
	const held: Socket[] = [];

	before(async () => {
		const anyPort = { host: "127.0.0.1", port: 0 };
		const routes = [{ match: { prefix: "/" }, direct_response: { status: 200 } }];
		const file = join(directory, "bootstrap.json");
		writeFileSync(
			file,
			JSON.stringify({
				admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
				static_resources: { listeners: [httpListener("app", anyPort, [], routes)] },
			}),
		);
		const adminFile = join(directory, "admin");
		const args = ["--config-path", file, "--admin-address-path", adminFile, "--disable-hot-restart"];
		envoy = spawn(envoyPath, [...args, "--concurrency", "1", "--log-level", "error"], { stdio: "inherit" });
		for (let tries = 0; port === 0; tries++) {
			assert.ok(tries < 200, "Envoy has started");
			await sleep(50);
			if (!existsSync(adminFile)) continue;
			admin = { host: "127.0.0.1", port: Number(readFileSync(adminFile, "utf8").split(":")[1]) };
			port = await listenerPort(admin).catch(() => 0);
		}
	});
	after(() => {
		for (const socket of held) socket.destroy();
		envoy?.kill("SIGKILL");
		rmSync(directory, { recursive: true });
	});

	it("waits for who is still there, and not longer than it may", async () => {
		const socket = connect(port, "127.0.0.1");
		held.push(socket);
		await new Promise((connected) => socket.once("connect", connected));
		await sleep(100);
		assert.equal(await drainEnvoy({ admin, direction: "both", leastMs: 100, mostMs: 700 }), 1);
		const startMs = performance.now();
		setTimeout(() => socket.destroy(), 600);
		assert.equal(await drainEnvoy({ admin, direction: "both", leastMs: 100, mostMs: 20_000 }), 0);
		const tookMs = performance.now() - startMs;
		assert.ok(tookMs > 500 && tookMs < 10_000, `${tookMs} ms`);
	});

	it("has nothing to wait for when Envoy is gone, and goes on asking one that is slow to answer", async () => {
		const nobody = createServer();
		await new Promise<void>((listening) => nobody.listen(0, "127.0.0.1", listening));
		const free = (nobody.address() as AddressInfo).port;
		await new Promise((closed) => nobody.close(closed));
		const gone = { host: "127.0.0.1", port: free };
		assert.equal(await drainEnvoy({ admin: gone, direction: "both", leastMs: 60_000, mostMs: 60_000 }), 0);
		const orders: string[] = [];
		const slow = createServer((request, response) => {
			orders.push(request.url ?? "");
			if (orders.length === 1) request.socket.destroy();
			else response.end("listener.0.0.0.0_15006.downstream_cx_active: 0\n");
		});
		await new Promise<void>((listening) => slow.listen(0, "127.0.0.1", listening));
		const { port: slowPort } = slow.address() as AddressInfo;
		assert.equal(
			await drainEnvoy({ admin: { ...gone, port: slowPort }, direction: "both", leastMs: 10, mostMs: 60_000 }),
			0,
		);
		assert.deepEqual(orders.slice(0, 3), [
			"/healthcheck/fail",
			"/healthcheck/fail",
			"/drain_listeners?graceful&skip_exit",
		]);
		orders.length = 1;
		const inbound = { admin: { ...gone, port: slowPort }, direction: "inbound", leastMs: 10, mostMs: 60_000 } as const;
		assert.equal(await drainEnvoy(inbound), 0);
		assert.equal(orders[1], "/drain_listeners?graceful&inboundonly&skip_exit", "and it stays ready");
		slow.close();
	});

	it("stays for the least time, for callers that have not heard yet", async () => {
		const startMs = performance.now();
		assert.equal(await drainEnvoy({ admin, direction: "both", leastMs: 800, mostMs: 5000 }), 0);
		assert.ok(performance.now() - startMs >= 800);
	});
});

function listenerPort(admin: { readonly host: string; readonly port: number }): Promise<number> {
	return new Promise((found, reject) => {
		get({ ...admin, path: "/listeners?format=json" }, (response) => {
			let text = "";
			response.setEncoding("utf8").on("data", (chunk: string) => {
				text += chunk;
			});
			response.on("end", () => {
				const { listener_statuses: [first] = [] } = JSON.parse(text);
				found(first?.local_address?.socket_address?.port_value ?? 0);
			});
		}).on("error", reject);
	});
}
