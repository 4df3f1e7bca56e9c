import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect as connectTo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { pods } from "./api-resources.ts";
import { openKubernetesClient, TransportError } from "./kubernetes-client.ts";
import { readKubeconfig } from "./read-kubeconfig.ts";
import { readServiceAccount } from "./read-service-account.ts";
import { pathOf } from "./resource-path.ts";
import { AccessError } from "./server-access.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-access-"));
after(() => rmSync(directory, { recursive: true, force: true }));

function kubeconfig(user: object, cluster: object = {}): string {
	const file = join(directory, "config");
	const content = {
		"current-context": "one",
		contexts: [
			{ name: "one", context: { cluster: "c", user: "u", namespace: "team" } },
			{ name: "two", context: { cluster: "gone", user: "u" } },
		],
		clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6443", ...cluster } }],
		users: [{ name: "u", user }],
	};
	writeFileSync(file, JSON.stringify(content));
	return file;
}

function program(text: string): string {
	const file = join(directory, "program");
	writeFileSync(file, `#!/bin/sh\n${text}\n`);
	chmodSync(file, 0o755);
	return file;
}

describe("a kubeconfig", () => {
	it("gives server, authority and certificate, from inside the file or beside it", () => {
		writeFileSync(join(directory, "ca.pem"), "CA");
		const user = { "client-certificate-data": btoa("CERT"), "client-key-data": btoa("KEY") };
		const { ca, certificate, key, namespace, url } = readKubeconfig(
			kubeconfig(user, { "certificate-authority": "ca.pem" }),
		);
		assert.deepEqual([ca, certificate, key, namespace, url.host], ["CA", "CERT", "KEY", "team", "10.0.0.1:6443"]);
	});

	it("is refused in words that name the file and the place, and show no key", () => {
		const file = kubeconfig({ username: "admin", password: "secret" });
		assert.throws(() => readKubeconfig(file), /users\[\]\.user\.username is not read/);
		assert.throws(() => readKubeconfig(file, "two"), /clusters has none named "gone"/);
		assert.throws(() => readKubeconfig(file, "three"), /contexts has none named "three"/);
		assert.throws(() => readKubeconfig(join(directory, "none")), /none cannot be read: ENOENT/);
		writeFileSync(file, "token: [secret");
		assert.throws(
			() => readKubeconfig(file),
			(error: Error) => error instanceof AccessError && !error.message.includes("secret"),
		);
	});

	it("runs the program that gives credentials, and again when they are about to end", () => {
		const count = join(directory, "count");
		writeFileSync(count, "");
		const command = program(
			`echo x >> ${count}\necho '{"status":{"token":"t'$(wc -l < ${count})'","expirationTimestamp":"2001-01-01T00:00:00Z"}}'`,
		);
		const exec = { apiVersion: "client.authentication.k8s.io/v1", command, args: ["a"], env: null };
		const { token } = readKubeconfig(kubeconfig({ exec }));
		assert.deepEqual([token?.(), token?.()], ["t2", "t3"]);
	});

	it("says what such a program says when it fails, and nothing of what it printed otherwise", () => {
		const exec = { apiVersion: "client.authentication.k8s.io/v1", command: program("echo please log in >&2; exit 3") };
		assert.throws(() => readKubeconfig(kubeconfig({ exec })), /ended with 3: please log in/);
		const silent = { ...exec, command: program("echo secret") };
		assert.throws(
			() => readKubeconfig(kubeconfig({ exec: silent })),
			(error: Error) => error instanceof AccessError && !error.message.includes("secret"),
		);
		const missing = { ...exec, command: join(directory, "nothing"), installHint: "install it" };
		assert.throws(() => readKubeconfig(kubeconfig({ exec: missing })), /install it/);
	});
});

describe("a Pod's service account", () => {
	it("is read anew when kubelet renews it, and lasts while the file is away", () => {
		for (const [name, text] of [
			["token", "first\n"],
			["ca.crt", "CA"],
			["namespace", "team"],
		] as const)
			writeFileSync(join(directory, name), text);
		const { namespace, token } = readServiceAccount("https://10.96.0.1:443", directory);
		assert.equal(namespace, "team");
		assert.equal(token?.(), "first");
		writeFileSync(join(directory, "new"), "second, and longer");
		renameSync(join(directory, "new"), join(directory, "token"));
		assert.equal(token?.(), "second, and longer");
		unlinkSync(join(directory, "token"));
		assert.equal(token?.(), "second, and longer");
		assert.throws(() => readServiceAccount("https://10.96.0.1:443", directory), /not in a Pod with a service account/);
	});
});

describe("a client of an API server", () => {
	let server: Server;
	let answer: (path: string, write: (text: string) => void, end: (status: number, text: string) => void) => void;
	let file = "";

	before(async () => {
		server = createServer((request, response) => {
			const { url = "" } = request;
			answer(
				`${request.method} ${url} ${request.headers.authorization ?? ""}`.trim(),
				(text) => response.write(text),
				(status, text) => response.writeHead(status, { "retry-after": "2" }).end(text),
			);
		}).listen(0, "127.0.0.1");
		await new Promise((done) => server.once("listening", done));
	});
	after(() => {
		server.closeAllConnections();
		server.close();
	});
	afterEach(() => rmSync(file, { force: true }));

	function open(clock?: VirtualClock) {
		const { port } = server.address() as AddressInfo;
		file = kubeconfig({ token: "t" }, { server: `http://127.0.0.1:${port}/base/` });
		return openKubernetesClient({ kubeconfig: file }, clock ? { clock } : {});
	}

	it("asks below the server's path, with its token, and gives back refusals as answers", async () => {
		const asked: string[] = [];
		answer = (path, _write, end) => {
			asked.push(path);
			end(429, '{"kind":"Status","code":429}');
		};
		const client = open();
		const query = { limit: 5, continue: undefined, fieldSelector: "a=b" };
		const said = await client.request("GET", pathOf(pods, "n", "p", "status"), { query });
		assert.deepEqual(said, { status: 429, body: { kind: "Status", code: 429 }, retryAfterMs: 2000 });
		assert.deepEqual(asked, ["GET /base/api/v1/namespaces/n/pods/p/status?limit=5&fieldSelector=a%3Db Bearer t"]);
		client.close();
	});

	it("gives up a request that is not answered in time, and one that its caller gives up", async () => {
		answer = () => {};
		const clock = new VirtualClock();
		const client = open(clock);
		const late = assert.rejects(client.request("GET", "/slow"), (error: Error) => {
			return error instanceof TransportError && /no answer within 15000 ms/.test(error.message);
		});
		clock.advance(15_000);
		await late;
		const controller = new AbortController();
		const given = assert.rejects(client.request("GET", "/slow", { signal: controller.signal }), /given up/);
		controller.abort();
		await given;
		assert.equal(clock.armed, 0);
		client.close();
	});

	it("reads lines as they come, however they are cut, and rejects when the connection breaks", async () => {
		let write: (text: string) => void = () => {};
		answer = (_path, now) => {
			write = now;
			now('{"a":"ä');
		};
		const client = open();
		const { lines } = await client.open("/watch");
		const reader = lines[Symbol.asyncIterator]();
		const first = reader.next();
		write('b"}\n{"b"');
		assert.equal((await first).value, '{"a":"äb"}');
		const second = reader.next();
		write(":2}\n{");
		assert.equal((await second).value, '{"b":2}');
		const third = assert.rejects(reader.next(), TransportError);
		server.closeAllConnections();
		await third;
		client.close();
	});

	it("gives up a connection that does not come about long before an answer is late", async () => {
		const listen =
			'const s = require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(s.address().port))';
		const child = spawn(process.execPath, ["-e", listen], { stdio: ["ignore", "pipe", "inherit"] });
		const port = Number(await once(child.stdout, "data"));
		// Its queue fills, and then the kernel leaves out what knocks: as a packet that nobody forwards.
		child.kill("SIGSTOP");
		const queued = [1, 2, 3].map(() => connectTo(port, "127.0.0.1").on("error", () => {}));
		try {
			await once(queued[0] as Socket, "connect");
			file = kubeconfig({ token: "t" }, { server: `http://127.0.0.1:${port}` });
			const client = openKubernetesClient({ kubeconfig: file }, { reachMs: 200 });
			await assert.rejects(client.open("/watch", { timeoutMs: 10_000 }), /no connection within 200 ms/);
			client.close();
		} finally {
			for (const socket of queued) socket.destroy();
			child.kill("SIGKILL");
		}
	});
});
