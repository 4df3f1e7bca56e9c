import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, afterEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const checkout = resolve(import.meta.dirname, "../..");
const directory = mkdtempSync(join(tmpdir(), "keepmesh-proxy-"));
/** Stands for Envoy: notes who it is and what it was told, and ends when it is told to. */
const program = join(directory, "envoy");
writeFileSync(program, `#!/bin/sh\necho "$$ $*" > "$KEEPMESH_PROXY_DIRECTORY/told"\nexec sleep 60\n`);
chmodSync(program, 0o755);
after(() => rmSync(directory, { recursive: true }));

describe("the proxy's container", () => {
	let server: Server | undefined;
	let child: ChildProcess | undefined;
	let count = 0;
	let said = "";
	let name = "";
	let home = "";
	afterEach(() => {
		server?.close();
		server?.closeAllConnections();
		child?.kill("SIGKILL");
	});

	const run = (...args: readonly string[]): ChildProcess => {
		count++;
		name = `keepmesh-test-${process.pid}-${count}`;
		home = join(directory, String(count));
		mkdirSync(home);
		said = "";
		const env = {
			PATH: `${directory}:${process.env.PATH}`,
			KEEPMESH_NODE_SOCKET: `@${name}`,
			KEEPMESH_PROXY_DIRECTORY: home,
		};
		const command = ["--no-warnings", join(checkout, "bin/keepmesh.ts"), "proxy", ...args];
		const started = spawn(process.execPath, command, { env, stdio: ["ignore", "inherit", "pipe"] });
		started.stderr?.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		child = started;
		return started;
	};
	const node = async (answer: (path: string, response: ServerResponse) => void): Promise<void> => {
		server = createServer((request, response) => answer(request.url ?? "", response));
		await new Promise<void>((listening) => server?.listen(`\0${name}`, listening));
	};
	const until = async (what: string, isTrue: () => boolean): Promise<void> => {
		for (let tries = 0; !isTrue(); tries++) {
			assert.ok(tries < 400, `${what}; it said: ${said}`);
			await sleep(25);
		}
	};
	const told = (): string => (existsSync(join(home, "told")) ? readFileSync(join(home, "told"), "utf8").trim() : "");
	const ends = (started: ChildProcess): Promise<number | null> =>
		new Promise((ended) => started.once("exit", (code) => ended(code)));

	it("waits for its node, and then is Envoy, with the process id that it asked with", async () => {
		const started = run("sidecar");
		await sleep(300);
		assert.equal(told(), "");
		const bootstrap = { node: { id: "sidecar~10.1.0.5~a.default~default.svc.cluster.local" } };
		await node((path, response) => {
			assert.equal(path, "/v1/bootstrap");
			response.end(JSON.stringify({ bootstrap, args: ["--concurrency", "2"] }));
		});
		await until("Envoy runs", () => told() !== "");
		const file = join(home, "envoy-rev.json");
		assert.equal(told(), `${started.pid} --config-path ${file} --concurrency 2`);
		assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), bootstrap);
		assert.equal(statSync(file).mode & 0o777, 0o600);
	});

	it("asks again while the node says that it is too early, and says why it waits", async () => {
		run("router");
		let asked = 0;
		await node((_path, response) => {
			asked++;
			if (asked < 4) response.writeHead(503).end("the redirect is not in force yet\n");
			else response.end(JSON.stringify({ bootstrap: {}, args: [] }));
		});
		await until("Envoy runs", () => told() !== "");
		assert.equal(asked, 4);
		assert.match(said, /waits since .* s: the redirect is not in force yet/);
	});

	it("waits for the redirect alone where that was asked for", async () => {
		const started = run("wait-redirect");
		await node((path, response) => response.end(path));
		assert.equal(await ends(started), 0);
		assert.equal(told(), "");
	});

	it("ends when its node says that there is nothing to wait for", async () => {
		const started = run("sidecar");
		await node((_path, response) => response.writeHead(410).end("kubelet does not wait for this proxy any more\n"));
		assert.equal(await ends(started), 1);
		assert.match(said, /does not wait for this proxy/);
	});

	it("does not become Envoy, with no node there, when the hook beside it was lost: kubelet would start the application", async () => {
		const hook = spawn("true");
		await ends(hook);
		const started = run("sidecar");
		await sleep(300);
		assert.equal(started.exitCode, null);
		writeFileSync(join(home, "hold"), String(process.pid));
		await sleep(700);
		assert.equal(started.exitCode, null, "its hook is there");
		writeFileSync(join(home, "hold"), String(hook.pid));
		assert.equal(await ends(started), 1);
	});

	it("lets the application's hook fail at once when the pod is being deleted", async () => {
		const hook = run("wait");
		await node((path, response) => {
			assert.equal(path, "/v1/ready");
			assert.equal(readFileSync(join(home, "hold"), "utf8"), String(hook.pid));
			response.writeHead(410).end("the pod is being deleted\n");
		});
		assert.equal(await ends(hook), 1);
		assert.match(said, /the pod is being deleted/);
		assert.equal(existsSync(join(home, "hold")), false);
	});

	it("ends when it is told to, although it is the first process of its container", async () => {
		const started = run("sidecar");
		await until("it waits", () => said.includes("waits since"));
		started.kill("SIGTERM");
		assert.equal(await ends(started), 0);
	});

	it("fails with a sentence when the node hands out something else", async () => {
		const started = run("sidecar");
		await node((_path, response) => response.end("{}"));
		assert.equal(await ends(started), 1);
		assert.match(said, /handed out no bootstrap/);
	});

	it("says what it can do when it is asked for something else", async () => {
		assert.equal(await ends(run("gateway")), 64);
		assert.match(said, /sidecar\|router\|wait/);
	});
});
