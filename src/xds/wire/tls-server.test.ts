import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openAuthority } from "../../identity/authority/authority.ts";
import { publicKeyDer } from "../../identity/authority/signing-key.ts";
import { silentLog } from "../../runtime/log.ts";
import { noMetrics } from "../../runtime/metrics.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { typeUrls } from "../resource.ts";
import { encodedNode, TestClient } from "./ads-client.testing.ts";
import type { XdsServer } from "./config-source.ts";
import { callUnary } from "./unary-service.ts";
import { startXdsServer } from "./xds-server.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-tls-"));
const clock = new VirtualClock(Date.now());
const authority = openAuthority({ directory, trustDomain: "t", wallMs: () => Date.now() });
let server: XdsServer;
let ended: string | undefined;

function certified() {
	const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const signed = authority.signKey(
		publicKeyDer(privateKey),
		{ trustDomain: "t", part: "node", name: "n" },
		{ dnsNames: ["localhost"] },
	);
	assert.ok(signed.ok);
	const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
	return { key, cert: signed.chain.join(""), ca: [...authority.bundle().roots] };
}

before(async () => {
	server = await startXdsServer(
		{
			listen: { host: "127.0.0.1", port: 0 },
			tls: { context: certified(), asksForCertificate: true },
			services: new Map([
				["/test/Who", { handle: ({ peer }) => ({ ok: true, message: Buffer.from(peer.uri ?? "nobody") }) }],
			]),
			maxStrangers: 2,
			keepAliveMs: 1e9,
		},
		{
			source: {
				connect: (node) => ({ ok: true, proxyId: node.id }),
				endOf: () => ended,
				configFor: () => undefined,
				disconnected() {},
			},
			clock,
			log: silentLog,
			metrics: noMetrics,
		},
	);
});

after(async () => {
	const closing = server.close();
	clock.advance(1_000);
	await closing;
	rmSync(directory, { recursive: true });
});

function open(client: object = { ca: [...authority.bundle().roots] }) {
	assert.ok("port" in server.address);
	const session = connect(`https://localhost:${server.address.port}`, { ...client });
	session.on("error", () => {});
	return session;
}

const who = async (session: ReturnType<typeof open>): Promise<string> =>
	Buffer.from(await callUnary(session, "/test/Who", new Uint8Array(), { timeoutMs: 2_000 })).toString();

describe("a TLS server that asks for certificates", () => {
	it("has few places for clients without one, for a minute, and never takes those of the others", async () => {
		const strangers = [open(), open()];
		for (const session of strangers) assert.equal(await who(session), "nobody");
		await assert.rejects(who(open()));
		const known = open(certified());
		assert.equal(await who(known), "spiffe://t/keepmesh/node/n");
		const gone = Promise.all(strangers.map((session) => once(session, "close")));
		clock.advance(60_000);
		await gone;
		assert.equal(await who(known), "spiffe://t/keepmesh/node/n");
		const next = open();
		assert.equal(await who(next), "nobody");
		next.destroy();
		known.destroy();
	});

	it("ends streams of those who lost their place in the mesh", async () => {
		assert.ok("port" in server.address);
		const to = { host: "localhost", port: server.address.port };
		const client = new TestClient(to, certified());
		client.ask({ typeUrl: typeUrls.cluster, node: encodedNode("n~1") });
		while (server.sessions().length === 0) await new Promise((done) => setImmediate(done));
		ended = "no longer one of us";
		clock.advance(10_000);
		assert.deepEqual(await client.closed, { grpcStatus: 7, because: "no longer one of us" });
	});
});
