// Fetches from issuers on loopback, good and bad.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer } from "node:net";
import { after, before, describe, it } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { selfSigned } from "../../../test/features/self-signed.ts";
import { realClock } from "../../runtime/clock.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import type { NeededKeySet } from "../../snapshot/key-sets.ts";
import { type FetchOutcome, type FetchParts, fetchKeySet } from "./fetch-key-set.ts";
import { serving, TestIssuer } from "./issuer.testing.ts";

const rsa = { kty: "RSA", kid: "a", n: "AQAB", e: "AQAB" };
const keySet = JSON.stringify({ keys: [{ ...rsa, d: "secret" }] });
const lab = { allowLoopback: true };

function needed(uri: string, fields: Partial<NeededKeySet> = {}): NeededKeySet {
	return { uri, kind: "keySet", issuer: "https://issuer.example", timeoutMs: 5000, ...fields };
}

function failureOf(outcome: FetchOutcome): string {
	return outcome.ok ? "none" : outcome.failure;
}

describe("fetchKeySet", () => {
	let issuer: TestIssuer;
	before(async () => {
		issuer = await TestIssuer.start();
	});
	after(() => issuer.close());

	const fetched = (
		answer: RequestListener,
		path = "/keys",
		parts: Partial<FetchParts> = {},
		fields: Partial<NeededKeySet> = {},
	): Promise<FetchOutcome> => {
		issuer.answer = answer;
		issuer.asked.length = 0;
		return fetchKeySet(needed(`${issuer.uri}${path}`, fields), lab, { clock: realClock, ...parts });
	};

	it("gives the public part of the keys", async () => {
		const outcome = await fetched(serving(keySet));
		assert.ok(outcome.ok);
		assert.deepEqual(JSON.parse(outcome.keys), { keys: [{ kty: "RSA", kid: "a", n: "AQAB", e: "AQAB" }] });
		assert.deepEqual(outcome.leftOut, ["key 1: private members removed"]);
	});

	it("finds the keys through the OpenID configuration", async () => {
		const answer: RequestListener = (incoming, response) =>
			response.end(
				incoming.url === "/.well-known/openid-configuration"
					? JSON.stringify({ issuer: "x", jwks_uri: `${issuer.uri}/certs` })
					: keySet,
			);
		const outcome = await fetched(answer, "/.well-known/openid-configuration", {}, { kind: "discovery" });
		assert.ok(outcome.ok);
		assert.deepEqual(
			issuer.asked.map((line) => line.split(" ")[1]),
			["/.well-known/openid-configuration", "/certs"],
		);
	});

	it("goes nowhere that an OpenID configuration or a redirect may not lead to", async () => {
		const to = "http://169.254.169.254/keys";
		const configuration = await fetched(serving(JSON.stringify({ jwks_uri: to })), "/", {}, { kind: "discovery" });
		assert.equal(failureOf(configuration), "forbiddenTarget");
		const redirect = await fetched((_, response) => response.writeHead(302, { location: to }).end());
		assert.equal(failureOf(redirect), "forbiddenTarget");
		const file = await fetched((_, response) => response.writeHead(302, { location: "file:///etc/passwd" }).end());
		assert.equal(failureOf(file), "forbiddenTarget");
	});

	it("follows three redirects and no more", async () => {
		const after_ =
			(count: number): RequestListener =>
			(incoming, response) => {
				const hop = Number(incoming.url?.slice(1));
				if (hop >= count) response.end(keySet);
				else response.writeHead(307, { location: `/${hop + 1}` }).end();
			};
		assert.ok((await fetched(after_(3), "/0")).ok);
		assert.equal(failureOf(await fetched(after_(4), "/0")), "redirect");
		assert.equal(failureOf(await fetched((_, response) => response.writeHead(302).end())), "redirect");
	});

	it("says what is wrong with an answer, and never what is in it", async () => {
		const answers: readonly (readonly [RequestListener, string])[] = [
			[serving("secret", 500), "status"],
			[serving("secret", 404), "status"],
			[serving(keySet, 206), "status"],
			[serving("secret"), "notKeySet"],
			[serving('{"keys":"secret"}'), "notKeySet"],
			[serving(""), "notKeySet"],
			[serving('{"keys":[{"kty":"oct","k":"secret"}]}'), "notKeySet"],
			[serving(`{"keys":[${" ".repeat(1024 * 1024)}]}`), "tooLarge"],
			[(incoming) => incoming.socket.destroy(), "connection"],
			[
				(incoming, response) => {
					response.writeHead(200, { "content-length": "1000" });
					response.write("{");
					setImmediate(() => incoming.socket.destroy());
				},
				"connection",
			],
		];
		for (const [answer, failure] of answers) {
			const outcome = await fetched(answer);
			assert.equal(failureOf(outcome), failure);
			assert.doesNotMatch(JSON.stringify(outcome), /secret/);
		}
	});

	it("stops reading a body that never ends", async () => {
		const endless: RequestListener = (_, response) => {
			const more = (): void => {
				if (response.destroyed) return;
				if (response.write("x".repeat(65_536))) setImmediate(more);
				else response.once("drain", more);
			};
			more();
		};
		assert.equal(failureOf(await fetched(endless)), "tooLarge");
	});

	it("waits as long as the rule says, and not longer for an answer in drops", async () => {
		for (const answer of [() => {}, (_: unknown, response: Parameters<RequestListener>[1]) => response.write("{")]) {
			const clock = new VirtualClock();
			const asked = Promise.withResolvers<void>();
			const outcome = fetched(
				(incoming, response) => {
					answer(incoming, response);
					asked.resolve();
				},
				"/keys",
				{ clock },
				{ timeoutMs: 2000 },
			);
			await asked.promise;
			clock.advance(1999);
			assert.equal(clock.armed, 1);
			clock.advance(1);
			assert.equal(failureOf(await outcome), "timeout");
			assert.equal(clock.armed, 0);
		}
	});

	it("waits no longer for a name that is not resolved", async () => {
		const clock = new VirtualClock();
		const outcome = fetchKeySet(needed("http://issuer.example/keys"), lab, {
			clock,
			resolve: () => new Promise(() => {}),
		});
		clock.advance(5000);
		assert.equal(failureOf(await outcome), "timeout");
	});

	it("says that nobody listens", async () => {
		const closed = createServer().listen(0, "127.0.0.1");
		await once(closed, "listening");
		const { port } = closed.address() as { port: number };
		closed.close();
		await once(closed, "close");
		const outcome = await fetchKeySet(needed(`http://127.0.0.1:${port}/`), lab, { clock: realClock });
		assert.deepEqual(outcome, { ok: false, failure: "connection", because: "ECONNREFUSED" });
	});

	it("asks only the addresses that it checked, under the name that was asked for", async () => {
		issuer.answer = serving(keySet);
		issuer.asked.length = 0;
		let resolved = 0;
		// Another resolution would lead elsewhere: DNS rebinding.
		const resolve = async () => [{ address: resolved++ === 0 ? "127.0.0.1" : "169.254.169.254", family: 4 }];
		const uri = `http://issuer.example:${issuer.port}/keys`;
		const outcome = await fetchKeySet(needed(uri), lab, { clock: realClock, resolve });
		assert.ok(outcome.ok);
		assert.equal(resolved, 1);
		assert.deepEqual(issuer.asked, [`issuer.example:${issuer.port} /keys`]);
	});

	it("refuses a name of which any address is forbidden", async () => {
		const rules = { allowLoopback: false };
		const answers: readonly (readonly string[])[] = [
			["169.254.169.254"],
			["10.0.0.1", "127.0.0.1"],
			["::1"],
			["::ffff:127.0.0.1"],
		];
		for (const addresses of answers) {
			const resolve = async () => addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
			const uri = `http://issuer.example:${issuer.port}/keys`;
			const outcome = await fetchKeySet(needed(uri), rules, { clock: realClock, resolve });
			assert.equal(failureOf(outcome), "forbiddenTarget", addresses.join());
		}
		const nobody = async (): Promise<never> => {
			throw Object.assign(new Error("getaddrinfo"), { code: "ENOTFOUND" });
		};
		const outcome = await fetchKeySet(needed("http://issuer.example/"), rules, { clock: realClock, resolve: nobody });
		assert.equal(failureOf(outcome), "unresolved");
	});

	it("takes https from the issuer's name only, with a certificate that the machine trusts", async () => {
		const pair = selfSigned("issuer.example");
		const server = createHttpsServer({ cert: pair.certificate, key: pair.key }, (_, response) => response.end(keySet));
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		const { port } = server.address() as { port: number };
		const resolve = async () => [{ address: "127.0.0.1", family: 4 }];
		const from = (host: string): Promise<FetchOutcome> =>
			fetchKeySet(needed(`https://${host}:${port}/keys`), lab, { clock: realClock, resolve });
		const trusted = getCACertificates("default");
		try {
			const stranger = await from("issuer.example");
			assert.deepEqual([stranger.ok, !stranger.ok && stranger.because], [false, "DEPTH_ZERO_SELF_SIGNED_CERT"]);
			setDefaultCACertificates([...trusted, pair.certificate]);
			assert.ok((await from("issuer.example")).ok);
			const other = await from("other.example");
			assert.deepEqual([other.ok, !other.ok && other.because], [false, "ERR_TLS_CERT_ALTNAME_INVALID"]);
		} finally {
			setDefaultCACertificates(trusted);
			server.close();
			server.closeAllConnections();
		}
	});

	it("does not go from https to http", async () => {
		const pair = selfSigned("issuer.example");
		const location = `${issuer.uri}/keys`;
		const server = createHttpsServer({ cert: pair.certificate, key: pair.key }, (_, response) =>
			response.writeHead(302, { location }).end(),
		);
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		const { port } = server.address() as { port: number };
		const resolve = async () => [{ address: "127.0.0.1", family: 4 }];
		const trusted = getCACertificates("default");
		setDefaultCACertificates([...trusted, pair.certificate]);
		try {
			const uri = `https://issuer.example:${port}/keys`;
			const outcome = await fetchKeySet(needed(uri), lab, { clock: realClock, resolve });
			assert.equal(failureOf(outcome), "redirect");
		} finally {
			setDefaultCACertificates(trusted);
			server.close();
			server.closeAllConnections();
		}
	});

	it("ends with the control plane", async () => {
		const ending = new AbortController();
		const asked = Promise.withResolvers<void>();
		issuer.answer = () => asked.resolve();
		const outcome = fetchKeySet(needed(issuer.uri), lab, { clock: realClock }, ending.signal);
		await asked.promise;
		ending.abort();
		assert.equal((await outcome).ok, false);
	});
});
