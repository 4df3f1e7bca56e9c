// HTTPS with certificates that are trusted and not, and the readiness of a real Envoy that is killed, hangs and comes back.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { TrackerCheck } from "../../vip/vip-config.ts";
import { isBad, isGood, observe } from "./probe.testing.ts";

type HttpCheck = Extract<TrackerCheck, { type: "http" }>;

/** An API server's, with the file of its authorities or without looking at certificates. */
const apiServerLiveCheck = (caFile: string | undefined, port: number): HttpCheck => ({
	type: "http",
	url: `https://127.0.0.1:${port}/livez`,
	insecure: caFile === undefined,
	...(caFile === undefined ? {} : { caFile }),
	intervalMs: 1000,
	timeoutMs: 1000,
});

const envoyBinary = join(import.meta.dirname, "../../../.keepmesh/envoy");
const canSign = spawnSync("openssl", ["version"]).status === 0;

describe("HTTPS probes", { skip: canSign ? false : "needs openssl" }, () => {
	const folder = mkdtempSync(join(tmpdir(), "keepmesh-https-"));
	const certificate = join(folder, "cert.pem");
	let server: Server;
	let port = 0;

	before(async () => {
		const key = join(folder, "key.pem");
		const subject = ["-subj", "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1"];
		const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
		assert.equal(spawnSync("openssl", [...made, ...subject, "-keyout", key, "-out", certificate]).status, 0);
		server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) =>
			response.writeHead(request.url === "/livez" ? 200 : 404).end("ok"),
		);
		await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
		port = (server.address() as AddressInfo).port;
	});
	after(() => {
		server.closeAllConnections();
		server.close();
		rmSync(folder, { recursive: true, force: true });
	});

	const firstOf = async (check: ReturnType<typeof apiServerLiveCheck>): Promise<string> => {
		const probe = observe(check);
		const { ok, because } = await probe.next();
		probe.close();
		return `${ok} ${because}`;
	};

	it("verify the certificate by the file of authorities, or by Node's, or not at all", async () => {
		const trusting = apiServerLiveCheck(certificate, port);
		assert.equal(await firstOf(trusting), "true HTTP 200");
		assert.equal(await firstOf(apiServerLiveCheck(undefined, port)), "true HTTP 200");
		const { caFile: _, ...strict } = trusting;
		assert.match(await firstOf(strict), /^false self-signed certificate \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/);
		assert.match(await firstOf({ ...trusting, caFile: join(folder, "none") }), /^false cannot read .*ENOENT/);
		assert.equal(await firstOf({ ...trusting, url: `https://127.0.0.1:${port}/other` }), "false HTTP 404");
	});

	it("verify the name", async () => {
		const check = apiServerLiveCheck(certificate, port);
		assert.match(
			await firstOf({ ...check, url: `https://localhost:${port}/livez` }),
			/^false .*ERR_TLS_CERT_ALTNAME_INVALID/,
		);
	});
});

describe("the readiness of a real Envoy", { skip: existsSync(envoyBinary) ? false : "needs Envoy" }, () => {
	const folder = mkdtempSync(join(tmpdir(), "keepmesh-ready-"));
	let envoy: ChildProcess | undefined;

	const start = async (port = 0): Promise<number> => {
		const addressFile = join(folder, `admin-${Date.now()}`);
		const socket = { socket_address: { address: "127.0.0.1", port_value: port } };
		writeFileSync(join(folder, "envoy.json"), JSON.stringify({ admin: { address: socket } }));
		const args = ["-c", join(folder, "envoy.json"), "--use-dynamic-base-id", "--concurrency", "1", "-l", "off"];
		envoy = spawn(envoyBinary, [...args, "--admin-address-path", addressFile], { stdio: "ignore" });
		for (let count = 0; count < 400 && !existsSync(addressFile); count++)
			await new Promise((done) => setTimeout(done, 25));
		return Number(readFileSync(addressFile, "utf8").split(":").at(-1));
	};
	after(async () => {
		envoy?.kill("SIGKILL");
		rmSync(folder, { recursive: true, force: true });
	});

	it("is seen to end at once, to hang within the timeout, and to come back", async (t) => {
		const port = await start();
		const url = `http://127.0.0.1:${port}/ready`;
		const check: HttpCheck = { type: "http", url, insecure: false, intervalMs: 100, timeoutMs: 500 };
		const probe = observe({ ...check, intervalMs: 60_000 });
		assert.equal((await probe.next()).because, "HTTP 200");
		await new Promise((done) => setTimeout(done, 250));
		const dead = probe.next(isBad);
		envoy?.kill("SIGKILL");
		const { afterMs, because } = await dead;
		t.diagnostic(`Envoy's death seen ${afterMs.toFixed(1)} ms after the kill: ${because}`);
		assert.ok(afterMs < 2_000, `${afterMs} ms`);
		probe.close();

		const again = observe({ ...check, timeoutMs: 200 });
		assert.equal((await again.next()).ok, false);
		await start(port);
		await again.next(isGood);
		const hung = again.next(isBad);
		envoy?.kill("SIGSTOP");
		const { afterMs: hungMs } = await hung;
		envoy?.kill("SIGCONT");
		t.diagnostic(`Envoy's hanging seen after ${hungMs.toFixed(0)} ms`);
		assert.ok(hungMs < 3_000, `${hungMs} ms`);
		await again.next(isGood);
		again.close();
	});
});
