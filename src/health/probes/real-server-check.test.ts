import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, it } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import type { CheckOutcome } from "../../l4/virtual-server/check-machine.ts";
import { realClock } from "../../runtime/clock.ts";
import { parseKeepalivedConf } from "../../vip/keepalived-conf/parse-keepalived-conf.ts";
import { type CheckTarget, runRealServerCheck } from "./real-server-check.ts";

const open: (Server | UdpSocket)[] = [];
const directory = mkdtempSync(join(tmpdir(), "keepmesh-checks-"));
after(() => rmSync(directory, { recursive: true, force: true }));
afterEach(() => {
	for (const one of open.splice(0)) one.close();
});

/** The check as keepalived.conf writes it, once. */
async function check(text: string, target: Partial<CheckTarget>, url = 0): Promise<CheckOutcome> {
	const conf = `virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 192.0.2.2 80 {\n${text}\n}\n}`;
	const { servers, problems } = parseKeepalivedConf("keepalived.conf", conf, { configId: "test" });
	assert.deepEqual(
		problems.filter(({ severity }) => severity === "error"),
		[],
	);
	const parsed = servers.servers[0]?.realServers[0]?.checks[0];
	assert.ok(parsed && parsed.type !== "file" && parsed.type !== "bfd");
	return runRealServerCheck(parsed, { address: "127.0.0.1", port: 0, ...target }, url, {
		clock: realClock,
		signal: new AbortController().signal,
	});
}

async function listen(server: Server, host = "127.0.0.1"): Promise<number> {
	open.push(server);
	server.listen(0, host);
	await once(server, "listening");
	return (server.address() as AddressInfo).port;
}

const tcpServer = (onConnection: (socket: Socket) => void = () => undefined, host?: string): Promise<number> =>
	listen(
		createServer((socket) => {
			socket.on("error", () => undefined);
			onConnection(socket);
		}),
		host,
	);

async function udpServer(answer: (bytes: Buffer) => Buffer | string | undefined): Promise<number> {
	const socket = createSocket("udp4");
	open.push(socket);
	socket.on("message", (bytes, from) => {
		const reply = answer(bytes);
		if (reply !== undefined) socket.send(reply, from.port, from.address);
	});
	socket.bind(0, "127.0.0.1");
	await once(socket, "listening");
	return socket.address().port;
}

/** A port of loopback that nobody listens on. */
async function closedPort(): Promise<number> {
	const server = createServer();
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	await new Promise((resolve) => server.close(resolve));
	return port;
}

describe("TCP_CHECK", () => {
	it("is good where somebody accepts, and says why not elsewhere", async () => {
		const port = await tcpServer();
		assert.deepEqual(await check("TCP_CHECK { }", { port }), { ok: true, because: "connected" });
		const closed = await closedPort();
		assert.deepEqual(await check("TCP_CHECK { }", { port: closed }), { ok: false, because: "connection refused" });
	});
	it("goes to connect_ip and connect_port, from bindto and bind_port", async () => {
		let from: string | undefined;
		const port = await tcpServer((socket) => {
			from = `${socket.remoteAddress}:${socket.remotePort}`;
		}, "127.0.0.3");
		const free = await closedPort();
		const text = `TCP_CHECK {\n connect_ip 127.0.0.3\n connect_port ${port}\n bindto 127.0.0.4\n bind_port ${free}\n}`;
		assert.equal((await check(text, { port: 1 })).ok, true);
		assert.equal(from, `127.0.0.4:${free}`);
	});
	it("marks its packets and leaves by one interface", { skip: process.getuid?.() !== 0 }, async () => {
		const port = await tcpServer();
		assert.deepEqual(await check("TCP_CHECK {\n fwmark 7\n bind_if lo\n}", { port }), {
			ok: true,
			because: "connected",
		});
		const closed = await closedPort();
		assert.equal((await check("TCP_CHECK { fwmark 7 }", { port: closed })).because, "connection refused");
		assert.equal((await check("TCP_CHECK { bind_if none0 }", { port })).ok, false);
	});
});

/** Answers each connection with that text, and remembers what was asked. */
async function httpServer(answer: string | ((request: string) => string)): Promise<{ port: number; asked: string[] }> {
	const asked: string[] = [];
	const port = await tcpServer((socket) => {
		socket.on("data", (bytes) => {
			asked.push(bytes.toString());
			socket.end(typeof answer === "string" ? answer : answer(bytes.toString()));
		});
	});
	return { port, asked };
}
const page = (body: string, status = 200): string => `HTTP/1.0 ${status} Whatever\r\nServer: test\r\n\r\n${body}`;
const get = (url: string, more = ""): string => `HTTP_GET {\n ${more}\n url {\n path /health\n ${url}\n }\n}`;

describe("HTTP_GET", () => {
	it("asks as keepalived asks, in each of its protocol versions", async () => {
		const { port, asked } = await httpServer(page("hello"));
		await check(get(""), { port });
		assert.equal(asked[0], `GET /health HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
		await check(get("", "http_protocol 1.0C"), { port });
		assert.match(asked[1] ?? "", /HTTP\/1\.0\r\n[\s\S]*Connection: close\r\n/);
		await check(get("", "http_protocol 1.1"), { port });
		assert.match(asked[2] ?? "", /HTTP\/1\.1\r\n[\s\S]*Connection: close\r\n/);
		await check(get("virtualhost www.example.com"), { port, virtualHost: "other.example.com" });
		assert.match(asked[3] ?? "", /\r\nHost: www\.example\.com\r\n/);
		await check(get(""), { port, virtualHost: "other.example.com" });
		assert.match(asked[4] ?? "", /\r\nHost: other\.example\.com\r\n/);
	});
	it("asks the url whose turn it is", async () => {
		const { port, asked } = await httpServer(page("hello"));
		await check("HTTP_GET {\n url { path /a }\n url { path /b }\n}", { port }, 1);
		assert.match(asked[0] ?? "", /^GET \/b /);
	});
	for (const [status, codes, ok] of [
		[200, "", true],
		[299, "", true],
		[302, "", false],
		[404, "status_code 404", true],
		[200, "status_code 404", false],
		[405, "status_code 200-299 400-499", true],
	] as const)
		it(`takes ${status} as ${ok ? "good" : "bad"} with ${codes || "no status_code"}`, async () => {
			const { port } = await httpServer(page("", status));
			assert.deepEqual(await check(get(codes), { port }), { ok, because: `/health: HTTP ${status}` });
		});
	it("compares the MD5 digest of the body, which genhash computes alike", async (t) => {
		const { port } = await httpServer(page("some content\n"));
		const digest = createHash("md5").update("some content\n").digest("hex");
		assert.equal((await check(get(`digest ${digest}`), { port })).ok, true);
		assert.equal((await check(get(`digest ${"0".repeat(32)}`), { port })).ok, false);
		const theirs = await genhash(port, "/health");
		if (theirs === undefined) t.diagnostic("genhash is not here");
		else assert.equal(theirs, digest);
	});
	it("reads no further than Content-Length, and takes a body without one to its end", async () => {
		const { port } = await httpServer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoodbad");
		assert.equal((await check(get(`digest ${createHash("md5").update("good").digest("hex")}`), { port })).ok, true);
	});
	for (const [pattern, more, body, ok] of [
		["status: (ok|fine)", "", "my status: fine", true],
		["status: (ok|fine)", "", "my status: bad", false],
		["error", "regex_no_match", "all good", true],
		["error", "regex_no_match", "an error", false],
		["STATUS", "regex_options caseless", "status", true],
		["^second$", "regex_options multiline", "first\nsecond\n", true],
		["end$", "", "the end\n", true],
		["a.b", "regex_options dotall", "a\nb", true],
		["x", "regex_min_offset 3", "xyz", false],
		["x", "regex_min_offset 3", "xyzx", true],
		["x", "regex_max_offset 2", "abcx", false],
		["x", "regex_max_offset 3", "abcx", true],
	] as const)
		it(`finds regex "${pattern}" ${more} ${ok ? "good" : "bad"} in ${JSON.stringify(body)}`, async () => {
			const { port } = await httpServer(page(body));
			assert.equal((await check(get(`regex "${pattern}"\n ${more}`), { port })).ok, ok);
		});
	it("has failed with no answer, half an answer, or something that is no HTTP", async () => {
		assert.equal(
			(await check(get(""), { port: (await httpServer("")).port })).because,
			"/health: closed without an answer",
		);
		assert.equal((await check(get(""), { port: (await httpServer("HTTP/1.0 200")).port })).ok, false);
		assert.equal(
			(await check(get(""), { port: (await httpServer("SSH-2.0\r\n\r\n")).port })).because,
			"/health: no HTTP answer",
		);
	});
	it("waits for a page that comes slowly, and not for one that stands still", async () => {
		const slow = await tcpServer((socket) => {
			socket.once("data", () => {
				socket.write("HTTP/1.0 200 OK\r\n\r\n");
				let left = 6;
				const timer = setInterval(() => {
					if (left-- > 0) socket.write("more");
					else socket.end();
				}, 40);
				socket.once("close", () => clearInterval(timer));
			});
		});
		assert.equal((await check(get("", "connect_timeout 0.15"), { port: slow })).ok, true);
		const still = await tcpServer((socket) => socket.once("data", () => socket.write("HTTP/1.0 200 OK\r\n\r\n")));
		assert.match((await check(get("", "connect_timeout 0.1"), { port: still })).because, /no answer within 100 ms/);
	});
});

describe("SSL_GET", () => {
	it("takes any certificate, and names the host with enable_sni", async () => {
		const key = join(directory, "key.pem");
		const cert = join(directory, "cert.pem");
		execFileSync(
			"openssl",
			[
				"req",
				"-x509",
				"-newkey",
				"ec",
				"-pkeyopt",
				"ec_paramgen_curve:prime256v1",
				"-nodes",
				"-keyout",
				key,
				"-out",
				cert,
				"-days",
				"1",
				"-subj",
				"/CN=nobody",
			],
			{ stdio: "ignore" },
		);
		const { readFileSync } = await import("node:fs");
		const names: (string | false | null | undefined)[] = [];
		const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (socket) => {
			names.push(socket.servername);
			socket.on("error", () => undefined);
			socket.once("data", () => socket.end(page("secret")));
		});
		const port = await listen(server);
		const ssl = (more: string) => get("virtualhost www.example.com", more).replace("HTTP_GET", "SSL_GET");
		assert.deepEqual(await check(ssl(""), { port }), { ok: true, because: "/health: HTTP 200" });
		assert.equal((await check(ssl("enable_sni"), { port })).ok, true);
		assert.deepEqual(names, [false, "www.example.com"]);
		const plain = await httpServer(page("open"));
		assert.match((await check(ssl(""), { port: plain.port })).because, /^no TLS/);
	});
});

describe("SMTP_CHECK", () => {
	const smtp = (...lines: readonly string[]): Promise<number> =>
		tcpServer((socket) => {
			const left = [...lines];
			socket.write(`${left.shift()}\r\n`);
			socket.on("data", () => socket.write(`${left.shift() ?? "221 bye"}\r\n`));
		});
	it("greets, is greeted and leaves", async () => {
		const port = await smtp("220 mail", "250 hello");
		assert.deepEqual(await check("SMTP_CHECK { helo_name me.example.com }", { port }), {
			ok: true,
			because: "it talks SMTP",
		});
	});
	it("says which answer was bad", async () => {
		assert.match((await check("SMTP_CHECK { }", { port: await smtp("554 no") })).because, /greeted with "554 no"/);
		assert.match((await check("SMTP_CHECK { }", { port: await smtp("220 hi", "550 no") })).because, /HELO .*"550 no"/);
	});
});

describe("DNS_CHECK", () => {
	it("asks for the type and the name, and is good with any answer without an error code", async () => {
		const questions: string[] = [];
		const port = await udpServer((query) => {
			questions.push(query.subarray(12).toString("latin1"));
			const reply = Buffer.from(query);
			reply.writeUInt16BE(0x8180, 2);
			return reply;
		});
		assert.deepEqual(await check("DNS_CHECK {\n type MX\n name example.com\n}", { port }), {
			ok: true,
			because: "answered",
		});
		assert.equal((await check("DNS_CHECK { }", { port })).ok, true);
		assert.deepEqual(questions, ["\x07example\x03com\x00\x00\x0f\x00\x01", "\x00\x00\x06\x00\x01"]);
	});
	it("is bad with an error code, and passes over answers to others", async () => {
		const port = await udpServer((query) => {
			const reply = Buffer.from(query);
			reply.writeUInt16BE(0x8185, 2);
			return reply;
		});
		assert.equal((await check("DNS_CHECK { }", { port })).because, "answered REFUSED");
		const strange = await udpServer((query) => {
			const reply = Buffer.from(query);
			reply.writeUInt16BE(reply.readUInt16BE(0) ^ 1, 0);
			reply.writeUInt16BE(0x8180, 2);
			return reply;
		});
		assert.equal((await check("DNS_CHECK { connect_timeout 0.05 }", { port: strange })).ok, false);
	});
});

describe("UDP_CHECK", () => {
	it("is good when nobody says that the port is unreachable, and bad when somebody does", async () => {
		const silent = await udpServer(() => undefined);
		assert.equal((await check("UDP_CHECK { connect_timeout 0.05 }", { port: silent })).ok, true);
		assert.deepEqual(await check("UDP_CHECK { connect_timeout 1 }", { port: await closedPort() }), {
			ok: false,
			because: "connection refused",
		});
	});
	it("sends the payload, and with require_reply wants an answer of that form and length", async () => {
		const sent: string[] = [];
		const port = await udpServer((bytes) => {
			sent.push(bytes.toString("hex"));
			return Buffer.from("0a1b2c", "hex");
		});
		const udp = (more: string): Promise<CheckOutcome> =>
			check(`UDP_CHECK {\n connect_timeout 1\n payload Ab12f 3 456\n ${more}\n}`, { port });
		assert.equal((await udp("require_reply")).ok, true);
		assert.equal(sent[0], "ab120f034506");
		assert.equal((await udp("require_reply 0a1b")).ok, true);
		assert.equal((await udp("require_reply 0ax")).because, "answered with other bytes");
		assert.equal((await udp("require_reply 0axb2c")).ok, true);
		assert.equal((await udp("require_reply\n min_reply_length 4")).because, "answered with 3 bytes, not 4 to 255");
		const silent = await udpServer(() => undefined);
		assert.equal((await check("UDP_CHECK {\n connect_timeout 0.05\n require_reply\n}", { port: silent })).ok, false);
	});
});

describe("PING_CHECK", { skip: process.getuid?.() !== 0 }, () => {
	it("hears the answer of both families, and cannot leave from an address that is not here", async () => {
		assert.deepEqual(await check("PING_CHECK { }", { address: "127.0.0.1" }), {
			ok: true,
			because: "answered the ping",
		});
		assert.equal((await check("PING_CHECK { }", { address: "::1" })).ok, true);
		assert.equal((await check("PING_CHECK { bindto 192.0.2.9 }", { address: "127.0.0.1" })).ok, false);
	});
});

describe("MISC_CHECK", () => {
	it("says the exit code, and that a script took too long", async () => {
		const script = join(directory, "script");
		writeFileSync(script, '#!/bin/sh\n[ "$1" = sleep ] && sleep 5\nexit "$1"\n');
		chmodSync(script, 0o755);
		assert.deepEqual(await check(`MISC_CHECK { misc_path "${script} 7" }`, {}), {
			ok: false,
			because: "exit code 7",
			exitCode: 7,
		});
		const late = await check(`MISC_CHECK {\n misc_path "${script} sleep"\n misc_timeout 1\n}`, {});
		assert.deepEqual(late, { ok: false, because: "not done within 1000 ms" });
	});
});

/** keepalived's own tool; undefined where it is not installed. */
async function genhash(port: number, path: string): Promise<string | undefined> {
	const { execFile } = await import("node:child_process");
	return new Promise((resolve) => {
		execFile("genhash", ["-s", "127.0.0.1", "-p", String(port), "-u", path], { timeout: 5000 }, (error, stdout) =>
			resolve(error ? undefined : /[0-9a-f]{32}/.exec(stdout)?.[0]),
		);
	});
}
