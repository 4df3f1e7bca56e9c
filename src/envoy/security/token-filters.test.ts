// Tokens of every kind, good and bad, through a real Envoy with the filters that rules lead to.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import type { JwtRuleView } from "../../model/security.ts";
import { type FilteredAnswer, type FilteredListener, FiltersInEnvoy } from "./filters-in-envoy.testing.ts";
import { tokenFilterName, tokenFilters } from "./token-filters.ts";
import { base64url, hmacToken, keySetText, newKey, publicJwk, seconds, token, unsigned } from "./tokens.testing.ts";

const issuer = "https://issuer.example";
const other = "https://other.example";
const key = newKey("RS256", "first");
const otherKey = newKey("ES256", "other");
const stranger = newKey("RS256", "first");
const byAlgorithm = {
	RS256: key,
	PS256: newKey("PS256"),
	ES256: newKey("ES256"),
	ES384: newKey("ES384"),
	EdDSA: newKey("EdDSA"),
};
const secret = Buffer.alloc(32, 7);

function rule(fields: Partial<JwtRuleView> = {}): JwtRuleView {
	return { source: "RequestAuthentication/default/tokens", issuer, keys: keySetText(key), ...fields };
}

function guarded(...rules: readonly JwtRuleView[]): FilteredListener {
	return { filters: tokenFilters(rules, defaultMeshSettings) };
}

const otherRule = rule({ issuer: other, keys: keySetText(otherKey) });

const listeners = {
	plain: guarded(rule({ outputPayloadToHeader: "x-payload" })),
	algorithms: guarded(rule({ keys: keySetText(...Object.values(byAlgorithm)) })),
	audience: guarded(rule({ audiences: ["shop", "store"] })),
	places: guarded(
		rule({
			fromHeaders: [{ name: "X-Token", prefix: "Token " }, { name: "x-bare" }],
			fromParams: ["t"],
			fromCookies: ["session"],
		}),
	),
	forwarded: guarded(rule({ forwardOriginalToken: true })),
	claims: guarded(
		rule({
			outputClaimToHeaders: [
				{ header: "x-sub", claim: "sub" },
				{ header: "x-team", claim: "org.team" },
				{ header: "x-age", claim: "age" },
			],
		}),
	),
	twoIssuers: guarded(rule({ outputClaimToHeaders: [{ header: "x-first", claim: "sub" }] }), {
		...otherRule,
		outputClaimToHeaders: [{ header: "x-second", claim: "sub" }],
	}),
	apart: guarded(rule({ fromHeaders: [{ name: "x-one" }] }), { ...otherRule, fromHeaders: [{ name: "x-two" }] }),
	sameIssuerTwice: guarded(rule({ audiences: ["shop"] }), rule({ audiences: ["bank"], keys: keySetText(otherKey) })),
	noKeys: guarded({ source: "RequestAuthentication/default/tokens", issuer, jwksUri: "https://issuer.example/keys" }),
	unreadableKeys: guarded(
		rule({
			keys: JSON.stringify({
				keys: [
					{ kty: "RSA", n: "!", e: "!" },
					{ kty: "EC", crv: "P-256", x: "AA", y: "AA" },
				],
			}),
		}),
	),
	oneKeyUnreadable: guarded(rule({ keys: JSON.stringify({ keys: [{ kty: "RSA", n: "!", e: "!" }, publicJwk(key)] }) })),
	symmetric: guarded(
		rule({
			keys: JSON.stringify({ keys: [{ kty: "oct", alg: "HS256", kid: "s", k: secret.toString("base64url") }] }),
			jwks: "as written",
		}),
	),
	symmetricFetched: guarded(
		rule({ keys: JSON.stringify({ keys: [{ kty: "oct", alg: "HS256", kid: "s", k: secret.toString("base64url") }] }) }),
	),
	anyIssuer: guarded(rule({ issuer: "" })),
	badFields: guarded(
		rule({
			fromHeaders: [{ name: "not a name" }, { name: "x-bare", prefix: "a\nb" }],
			outputPayloadToHeader: "not a name",
			outputClaimToHeaders: [
				{ header: "not a name", claim: "sub" },
				{ header: "x-sub", claim: "" },
			],
		}),
	),
};

describe("tokens through a real Envoy", () => {
	let envoy: FiltersInEnvoy;
	before(async () => {
		envoy = await FiltersInEnvoy.start(listeners);
	});
	after(() => envoy.close());

	type ListenerName = keyof typeof listeners;
	const ask = (
		name: ListenerName,
		headers: Readonly<Record<string, string>> = {},
		path = "/",
	): Promise<FilteredAnswer> => envoy.ask(name, { headers, path });
	const withToken = (name: ListenerName, text: string): Promise<FilteredAnswer> =>
		ask(name, { authorization: `Bearer ${text}` });
	const good = token(key, { iss: issuer, sub: "alice" });

	it("lets a request without a token pass, and one with a valid token", async () => {
		assert.equal((await ask("plain")).status, 200);
		const { status, received } = await withToken("plain", good);
		assert.equal(status, 200);
		const payload = JSON.parse(Buffer.from(String(received["x-payload"]), "base64url").toString());
		assert.equal(payload.sub, "alice");
	});

	it("leaves a header of another scheme alone: it holds no token", async () => {
		const { status, received } = await ask("plain", { authorization: "Basic YTpi" });
		assert.equal(status, 200);
		assert.equal(received.authorization, "Basic YTpi");
	});

	for (const [algorithm, one] of Object.entries(byAlgorithm)) {
		it(`verifies ${algorithm}`, async () => {
			assert.equal((await withToken("algorithms", token(one, { iss: issuer }))).status, 200);
			const forged = token({ ...newKey(one.algorithm), kid: one.kid }, { iss: issuer });
			assert.equal((await withToken("algorithms", forged)).status, 401);
		});
	}

	const pem = key.publicKey.export({ type: "spki", format: "pem" }).toString();
	const claims = { iss: issuer, sub: "alice" };
	const bad: Readonly<Record<string, string>> = {
		"alg none": `${unsigned({ alg: "none" }, claims)}.`,
		"alg none with a signature": `${unsigned({ alg: "none", kid: "first" }, claims)}.${good.split(".")[2]}`,
		"HS256 with the public key in PEM as secret": hmacToken(pem, claims, { kid: "first" }),
		"HS256 with the modulus as secret": hmacToken(Buffer.from(String(publicJwk(key).n), "base64url"), claims, {
			kid: "first",
		}),
		"the signature of another key of that name": token(stranger, claims),
		"no signature": `${unsigned({ alg: "RS256", kid: "first" }, claims)}.`,
		"a changed payload": [good.split(".")[0], base64url({ ...claims, sub: "root" }), good.split(".")[2]].join("."),
		"expired more than the clock skew ago": token(key, { ...claims, exp: seconds(-70) }),
		"not valid for longer than the clock skew": token(key, { ...claims, nbf: seconds(75) }),
		"an unknown kid": token(key, claims, { kid: "unknown" }),
		"a kid of 30 KB": token(key, claims, { kid: "k".repeat(30_000) }),
		"no issuer": token(key, { sub: "alice" }),
		"another issuer": token(key, { iss: other }),
		"an issuer that only begins so": token(key, { iss: `${issuer}.evil.example` }),
		"an issuer that is a list": token(key, { iss: [issuer] }),
		"an expiry that is text": token(key, { ...claims, exp: "never" }),
		"another alg than its key's": token(key, claims, { alg: "RS512" }),
		"a key of its own in the header": token(stranger, claims, { jwk: publicJwk(stranger), kid: undefined }),
		"a URL of keys in the header": token(stranger, claims, { jku: "http://127.0.0.1:1/keys" }),
		"one part": "garbage",
		"parts that are no base64": "%%%.%%%.%%%",
		"parts that are no JSON": `${base64url("{")}.${base64url("nope")}.AAAA`,
		"payload that is a list": `${base64url({ alg: "RS256", kid: "first" })}.${base64url([1])}.AAAA`,
		"five parts": `${good}.AAAA.AAAA`,
	};
	for (const [what, text] of Object.entries(bad)) {
		it(`refuses a token with ${what}`, async () => {
			const { status, received } = await withToken("plain", text);
			assert.equal(status, 401);
			assert.deepEqual(received["x-payload"], undefined);
		});
	}

	it("grants a minute of clock skew", async () => {
		assert.equal((await withToken("plain", token(key, { ...claims, exp: seconds(-30) }))).status, 200);
		assert.equal((await withToken("plain", token(key, { ...claims, nbf: seconds(30) }))).status, 200);
	});

	it("survives headers of a size that no token has", async () => {
		const huge = token(key, { ...claims, filler: "x".repeat(64_000) });
		assert.ok([401, 431].includes((await withToken("plain", huge)).status));
		const hugeKid = token(key, claims, { kid: "k".repeat(100_000) });
		assert.ok([401, 431].includes((await withToken("plain", hugeKid)).status));
		const inParam = await ask("plain", {}, `/?access_token=${huge}`);
		assert.ok([401, 414, 431].includes(inParam.status));
		assert.equal((await withToken("plain", good)).status, 200);
	});

	it("accepts a token of 40 KB", async () => {
		assert.equal((await withToken("algorithms", token(key, { ...claims, filler: "x".repeat(30_000) }))).status, 200);
	});

	it("takes one of the audiences, alone or in a list, and answers 403 without", async () => {
		assert.equal((await withToken("audience", token(key, { ...claims, aud: "shop" }))).status, 200);
		assert.equal((await withToken("audience", token(key, { ...claims, aud: ["a", "store"] }))).status, 200);
		assert.equal((await withToken("audience", token(key, { ...claims, aud: "bank" }))).status, 403);
		assert.equal((await withToken("audience", token(key, claims))).status, 403);
	});

	it("finds tokens in the headers, parameters and cookies that the rule names, and only there", async () => {
		assert.equal((await ask("places", { "x-token": `Token ${good}` })).status, 200);
		assert.equal((await ask("places", { "x-token": "Token bad" })).status, 401);
		assert.equal((await ask("places", { "x-bare": good })).status, 200);
		assert.equal((await ask("places", { "x-bare": "bad" })).status, 401);
		assert.equal((await ask("places", {}, `/?t=${good}`)).status, 200);
		assert.equal((await ask("places", {}, "/?t=bad")).status, 401);
		assert.equal((await ask("places", { cookie: `a=b; session=${good}` })).status, 200);
		assert.equal((await ask("places", { cookie: "a=b; session=bad" })).status, 401);
		assert.equal((await withToken("places", "bad")).status, 200);
		assert.equal((await ask("places", {}, "/?access_token=bad")).status, 200);
	});

	it("takes the token out of what it passes on, unless the rule says to forward it", async () => {
		assert.equal((await withToken("plain", good)).received.authorization, undefined);
		assert.equal((await ask("plain", {}, `/a?x=1&access_token=${good}`)).receivedPath, "/a?x=1");
		assert.equal((await withToken("forwarded", good)).received.authorization, `Bearer ${good}`);
	});

	it("refuses two tokens of which one is bad, wherever each is", async () => {
		const both = (header: string, param: string): Promise<FilteredAnswer> =>
			ask("plain", { authorization: `Bearer ${header}` }, `/?access_token=${param}`);
		assert.equal((await both(good, good)).status, 200);
		assert.equal((await both("bad", good)).status, 401);
		assert.equal((await both(good, "bad")).status, 401);
		assert.equal((await both(good, token(stranger, claims))).status, 401);
	});

	it("refuses a second token in the same header, and reads names as servers do", async () => {
		const bad = token(stranger, claims);
		for (const value of [`Bearer ${good},Bearer ${bad}`, `Bearer ${bad}, Bearer ${good}`, `Bearer ${good} ${bad}`]) {
			assert.equal((await ask("forwarded", { authorization: value })).status, 401, value.slice(0, 12));
		}
		assert.equal((await ask("plain", {}, `/?access%5Ftoken=${bad}`)).status, 401);
		assert.equal((await ask("plain", {}, `/?access_token=${bad}&access_token=${good}`)).status, 401);
		const { status, receivedPath } = await ask("plain", {}, `/?access_token=${good}&access_token=${bad}`);
		assert.deepEqual([status, receivedPath], [200, "/"]);
	});

	it("says claims in headers, nested ones too, of which nobody can forge any", async () => {
		const forged = { "x-sub": "root", "x-team": "admins", "x-age": "1" };
		const text = token(key, { ...claims, org: { team: "sales" }, age: 7 });
		const { received } = await ask("claims", { authorization: `Bearer ${text}`, ...forged });
		assert.deepEqual([received["x-sub"], received["x-team"], received["x-age"]], ["alice", "sales", "7"]);
		const preflight = { origin: "http://a.example", "access-control-request-method": "GET" };
		const asks: readonly { readonly headers: Record<string, string>; readonly method?: string }[] = [
			{ headers: { "X-SUB": "root", "X-Team": "admins", "x-age": "1" } },
			{ headers: { ...forged, ...preflight }, method: "OPTIONS" },
		];
		for (const one of asks) {
			const { status, received } = await envoy.ask("claims", one);
			assert.equal(status, 200);
			assert.deepEqual([received["x-sub"], received["x-team"], received["x-age"]], [undefined, undefined, undefined]);
		}
	});

	it("does not answer a browser's preflight with 401", async () => {
		const headers = { origin: "http://a.example", "access-control-request-method": "GET", authorization: "Bearer bad" };
		assert.equal((await envoy.ask("plain", { headers, method: "OPTIONS" })).status, 200);
		assert.equal((await envoy.ask("plain", { headers })).status, 401);
	});

	it("does not let a claim bring headers of its own", async () => {
		const text = token(key, { ...claims, sub: "alice\r\nx-admin: yes" });
		const { received } = await withToken("claims", text);
		assert.equal(received["x-admin"], undefined);
	});

	it("takes tokens of two issuers from one place, and removes the headers of the one who did not sign", async () => {
		const forged = { "x-first": "root", "x-second": "root" };
		const first = await ask("twoIssuers", { authorization: `Bearer ${good}`, ...forged });
		assert.deepEqual([first.received["x-first"], first.received["x-second"]], ["alice", undefined]);
		const bobs = token(otherKey, { iss: other, sub: "bob" });
		const second = await ask("twoIssuers", { authorization: `Bearer ${bobs}`, ...forged });
		assert.deepEqual([second.received["x-first"], second.received["x-second"]], [undefined, "bob"]);
		assert.equal((await withToken("twoIssuers", token(key, { iss: other }))).status, 401);
		assert.equal((await withToken("twoIssuers", token(key, { iss: "https://third.example" }))).status, 401);
		assert.equal((await ask("twoIssuers")).status, 200);
	});

	it("looks at the tokens of every place, whatever another one holds", async () => {
		const bobs = token(otherKey, { iss: other, sub: "bob" });
		assert.equal((await ask("apart")).status, 200);
		assert.equal((await ask("apart", { "x-one": good })).status, 200);
		assert.equal((await ask("apart", { "x-two": bobs })).status, 200);
		assert.equal((await ask("apart", { "x-one": good, "x-two": bobs })).status, 200);
		assert.equal((await ask("apart", { "x-one": good, "x-two": "bad" })).status, 401);
		assert.equal((await ask("apart", { "x-one": "bad", "x-two": bobs })).status, 401);
		assert.equal((await ask("apart", { "x-one": bobs })).status, 401);
	});

	it("tries every rule of one issuer", async () => {
		assert.equal((await withToken("sameIssuerTwice", token(key, { ...claims, aud: "shop" }))).status, 200);
		assert.equal((await withToken("sameIssuerTwice", token(otherKey, { ...claims, aud: "bank" }))).status, 200);
		assert.notEqual((await withToken("sameIssuerTwice", token(otherKey, { ...claims, aud: "shop" }))).status, 200);
		assert.notEqual((await withToken("sameIssuerTwice", token(key, { ...claims, aud: "bank" }))).status, 200);
	});

	it("refuses every token while the rule has no keys, or none that can be read, and passes requests without", async () => {
		for (const name of ["noKeys", "unreadableKeys", "anyIssuer"] as const) {
			assert.equal((await ask(name)).status, 200, name);
			assert.equal((await withToken(name, good)).status, 401, name);
			const nobodys = token(newKey("EdDSA", "keepmesh-no-key"), claims);
			assert.equal((await withToken(name, nobodys)).status, 401, name);
		}
		assert.equal((await withToken("oneKeyUnreadable", good)).status, 200);
	});

	it("verifies with a symmetric key that the rule holds, and with none that was fetched", async () => {
		const text = hmacToken(secret, claims, { kid: "s" });
		assert.equal((await withToken("symmetric", text)).status, 200);
		assert.equal((await withToken("symmetric", hmacToken("guess", claims, { kid: "s" }))).status, 401);
		assert.equal((await withToken("symmetricFetched", text)).status, 401);
	});

	it("accepts no token where a rule has fields that Envoy would not take", async () => {
		assert.equal((await ask("badFields")).status, 200);
		assert.equal((await withToken("badFields", good)).status, 401);
	});

	it("counts what it let pass and what it refused, and is still the same process", async () => {
		const stats = await envoy.stats("http.plain.jwt_authn");
		assert.ok((stats.get("http.plain.jwt_authn.denied") ?? 0) >= 20);
		assert.ok((stats.get("http.plain.jwt_authn.allowed") ?? 0) >= 5);
		assert.ok(envoy.isRunning);
		assert.doesNotMatch(envoy.stderr, /critical|assert/i);
	});
});

describe("tokenFilters", () => {
	it("adds no filter where there is no rule", () => {
		assert.deepEqual(tokenFilters([], defaultMeshSettings), []);
	});

	it("is the filter in whose name policies and routes look for claims", () => {
		assert.deepEqual(
			tokenFilters([rule()], defaultMeshSettings).map(({ name }) => name),
			[tokenFilterName],
		);
	});
});
