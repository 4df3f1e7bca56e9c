// RequestAuthentication on a gateway, from files to a real Envoy, with an issuer that comes, goes and changes its keys; and
// what policies and routes make of the tokens.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { text as textOf } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { keySetText, newKey, publicJwk, type TestKey, token } from "../../src/envoy/security/tokens.testing.ts";
import { serving, TestIssuer } from "../../src/sources/key-sets/issuer.testing.ts";
import { defaultKeySetConfig } from "../../src/sources/key-sets/key-set-machine.ts";
import { freePort, GatewayOnLoopback } from "./gateway-on-loopback.ts";

const issuerName = "https://issuer.example";

describe("RequestAuthentication on a gateway", () => {
	const mesh = new GatewayOnLoopback();
	// A refresh each 200 ms in place of 20 minutes, and a first retry after 20 ms in place of a second.
	const keySets = { ...defaultKeySetConfig, refreshMs: 200, firstRetryMs: 20, maxRetryMs: 100 };
	const options = { allowLoopbackKeySets: true, keySets };
	const first = newKey("RS256", "first");
	const second = newKey("ES256", "second");
	let issuer: TestIssuer | undefined;
	let issuerPort = 0;
	let port = 0;

	before(async () => {
		issuerPort = await freePort();
		port = await freePort();
		const [plain, beta] = [await mesh.serve("plain"), await mesh.serve("beta")];
		mesh.write("resources.yaml", resources({ port, plain, beta, jwksUri: `http://127.0.0.1:${issuerPort}/keys` }));
		await mesh.startControl(options);
		await mesh.startEnvoy();
	});
	after(async () => {
		await mesh.close();
		await issuer?.close();
	});

	const statusWith = async (key: TestKey, claims: Readonly<Record<string, unknown>> = {}): Promise<number> =>
		(await mesh.ask(port, bearer(key, claims))).status;
	/** Of fetching; that loopback is for labs only is said all the time. */
	const problems = async (): Promise<string> => {
		const all = await mesh.problemsOf("RequestAuthentication", "tokens");
		return all.filter((message) => !message.includes("fetched in labs only")).join("\n");
	};

	it("refuses every token while its issuer was never reached, and says so", async () => {
		assert.equal(await statusWith(first), 401);
		assert.equal((await mesh.ask(port)).status, 403);
		assert.match(await problems(), /no keys could be fetched from http:\/\/127\.0\.0\.1.*ECONNREFUSED.*is refused/);
		assert.match(await mesh.metrics(), /keepmesh_key_sets\{state="missing"\} 1/);
	});

	it("accepts tokens soon after the issuer is there, and no problem is left", async () => {
		const withPrivateMembers = { keys: [{ ...publicJwk(first), ...first.privateKey.export({ format: "jwk" }) }] };
		issuer = await TestIssuer.start(serving(JSON.stringify(withPrivateMembers)), issuerPort);
		await mesh.until(async () => (await statusWith(first)) === 200, "the token is accepted");
		assert.equal(await problems(), "");
		assert.match(await mesh.metrics(), /keepmesh_key_sets\{state="fresh"\} 1/);
		assert.match(await mesh.metrics(), /keepmesh_key_set_fetches_total\{outcome="ok"\} [1-9]/);
	});

	it("lets no private part of a key get into a configuration", async () => {
		const { d } = first.privateKey.export({ format: "jwk" });
		const { n } = first.publicKey.export({ format: "jwk" });
		const dump = await mesh.envoyDump();
		assert.ok(n && dump.includes(n));
		assert.ok(d && !dump.includes(d));
	});

	it("holds policies against what the token says", async () => {
		assert.equal((await mesh.ask(port)).status, 403);
		assert.equal(await statusWith(first, { sub: "mallory" }), 403);
		assert.equal((await mesh.ask(port, bearer(first), "/admin")).status, 403);
		assert.equal((await mesh.ask(port, bearer(first, { groups: ["staff", "admins"] }), "/admin")).status, 200);
		assert.equal((await mesh.ask(port, bearer(first, { groups: "admins" }), "/admin")).status, 200);
		assert.equal((await mesh.ask(port, bearer(first, { groups: ["staff"] }), "/admin")).status, 403);
		const forged = { "x-user": "alice", "x-jwt-payload": "forged" };
		assert.equal((await mesh.ask(port, forged)).status, 403);
	});

	it("chooses routes by claims, and passes on claims that nobody can forge", async () => {
		const seen = async (claims: object, headers = {}): Promise<{ name: string; headers: Record<string, string> }> =>
			JSON.parse((await mesh.ask(port, { ...bearer(first, { ...claims }), ...headers })).body);
		assert.equal((await seen({})).name, "plain");
		assert.equal((await seen({ realm: { ring: "beta" } })).name, "beta");
		assert.equal((await seen({ realm: { ring: "stable" } })).name, "plain");
		assert.equal((await seen({}, { "x-user": "root" })).headers["x-user"], "alice");
	});

	it("keeps the keys while the issuer is down, and says how old they are", async () => {
		await issuer?.close();
		await mesh.until(async () => /cannot be refreshed: ECONNREFUSED/.test(await problems()), "the refresh fails");
		assert.equal(await statusWith(first), 200);
		assert.match(await mesh.metrics(), /keepmesh_key_sets\{state="stale"\} 1/);
	});

	it("has them still when it is started again with the issuer down", async () => {
		await mesh.stopControl();
		await mesh.stopEnvoy();
		await mesh.startControl(options);
		await mesh.startEnvoy();
		assert.equal(await statusWith(first), 200);
	});

	it("takes a new key, and drops the old one, at the refresh after the issuer has changed it", async () => {
		assert.equal(await statusWith(second), 401);
		const agent = new Agent({ keepAlive: true, maxSockets: 1 });
		const kept = async (): Promise<number | undefined> => {
			const outgoing = request({ port, host: "127.0.0.1", agent, headers: { host: "shop.example", ...bearer(first) } });
			outgoing.end();
			const [incoming] = await once(outgoing, "response");
			await textOf(incoming);
			return incoming.statusCode;
		};
		assert.equal(await kept(), 200);
		issuer = await TestIssuer.start(serving(keySetText(second)), issuerPort);
		await mesh.until(async () => (await statusWith(second)) === 200, "the new key is accepted");
		await mesh.until(async () => (await statusWith(first)) === 401, "the old key is refused");
		// A connection from before has one more request with the old keys, and is closed with its answer.
		await kept();
		assert.equal(await kept(), 401);
		agent.destroy();
	});

	it("keeps what was good when the issuer serves nonsense", async () => {
		if (issuer) issuer.answer = serving("<html>down for maintenance</html>");
		await mesh.until(async () => /it is not JSON/.test(await problems()), "nonsense is reported");
		assert.equal(await statusWith(second), 200);
		if (issuer) issuer.answer = serving(keySetText(second));
		await mesh.until(async () => (await problems()) === "", "the issuer is well again");
	});

	it("asks nobody on its own machine unless it was started so", async () => {
		await mesh.stopControl();
		await mesh.startControl({ keySets, dataDirectory: `${mesh.data}-other` });
		assert.match(await problems(), /it is the control plane's own machine/);
		assert.match(await mesh.metrics(), /keepmesh_key_set_fetches_total\{outcome="forbiddenTarget"\} [1-9]/);
	});
});

function bearer(key: TestKey, claims: Readonly<Record<string, unknown>> = {}): { readonly authorization: string } {
	return { authorization: `Bearer ${token(key, { iss: issuerName, sub: "alice", ...claims })}` };
}

function resources(ports: { port: number; plain: number; beta: number; jwksUri: string }): string {
	const backend = (name: string, at: number): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: istio-system}
spec:
  hosts: [${name}.backend]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: ${at}}}]
---`;
	const text = readFileSync(new URL("request-authentication.yaml", import.meta.url), "utf8");
	return `${backend("plain", ports.plain)}${backend("beta", ports.beta)}\n${text}`
		.replace("PORT", String(ports.port))
		.replace("JWKS_URI", ports.jwksUri);
}
