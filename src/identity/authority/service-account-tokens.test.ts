import assert from "node:assert/strict";
import { createHmac, createPublicKey, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { tokenOf } from "./authority.testing.ts";
import { ServiceAccountTokens } from "./service-account-tokens.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-jwt-"));
after(() => rmSync(directory, { recursive: true }));
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const keysFile = join(directory, "keys.json");
const publicJwk = (key: typeof rsa, kid: string) => ({ ...createPublicKey(key).export({ format: "jwk" }), kid });
writeFileSync(keysFile, JSON.stringify({ keys: [publicJwk(rsa, "one"), publicJwk(ec, "two")] }));

const issuer = "https://kubernetes.default.svc";
const tokens = new ServiceAccountTokens({ issuer, audience: "istio-ca", keysFile });
const nowMs = 1_800_000_000_000;
const nowSeconds = nowMs / 1000;
const claims = {
	iss: issuer,
	aud: ["istio-ca"],
	sub: "system:serviceaccount:default:bookinfo-reviews",
	nbf: nowSeconds - 10,
	exp: nowSeconds + 3600,
};
const rs256 = { alg: "RS256", kid: "one" };
const [encodedHeader = "", encodedClaims = ""] = tokenOf(rsa, rs256, claims).split(".");

describe("a service account's token", () => {
	for (const [what, token] of [
		["RS256", tokenOf(rsa, rs256, claims)],
		["ES256", tokenOf(ec, { alg: "ES256", kid: "two" }, claims)],
		["no key id", tokenOf(rsa, { alg: "RS256" }, claims)],
		["one audience as text", tokenOf(rsa, rs256, { ...claims, aud: "istio-ca" })],
		["a clock 30 s behind", tokenOf(rsa, rs256, { ...claims, nbf: nowSeconds + 30 })],
	] as const)
		it(`counts: ${what}`, () => {
			assert.deepEqual(tokens.verify(token, nowMs), {
				ok: true,
				namespace: "default",
				serviceAccount: "bookinfo-reviews",
			});
		});

	const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
	const hs256 = Buffer.from(JSON.stringify({ alg: "HS256", kid: "one" })).toString("base64url");
	const publicPem = createPublicKey(rsa).export({ type: "spki", format: "pem" });
	const forged = createHmac("sha256", publicPem).update(`${hs256}.${encodedClaims}`).digest("base64url");
	const changed = Buffer.from(JSON.stringify({ ...claims, sub: "system:serviceaccount:kube-system:admin" }));
	const signature = tokenOf(rsa, rs256, claims).split(".")[2];
	const refused: readonly (readonly [string, string, string])[] = [
		["nothing at all", "", "jwt_malformed"],
		["random text", "a.b.c", "jwt_malformed"],
		["more than 16 KB", `${"a".repeat(20_000)}.b.c`, "jwt_malformed"],
		["no signature, alg none", `${none}.${encodedClaims}.`, "jwt_malformed"],
		["alg none with something behind the dot", `${none}.${encodedClaims}.AAAA`, "jwt_algorithm"],
		["HMAC with the public key as the secret", `${hs256}.${encodedClaims}.${forged}`, "jwt_algorithm"],
		[
			"another claim set under a good signature",
			`${encodedHeader}.${changed.toString("base64url")}.${signature}`,
			"jwt_signature",
		],
		["a key that the issuer does not have", tokenOf(stranger, rs256, claims), "jwt_signature"],
		["an unknown key id", tokenOf(rsa, { alg: "RS256", kid: "three" }, claims), "jwt_unknown_key"],
		["a huge key id", tokenOf(rsa, { alg: "RS256", kid: "k".repeat(5_000) }, claims), "jwt_unknown_key"],
		["a key id that is an object", tokenOf(rsa, { alg: "RS256", kid: { a: 1 } }, claims), "jwt_unknown_key"],
		["ES256 said of an RSA key", tokenOf(rsa, { alg: "ES256", kid: "one" }, claims), "jwt_unknown_key"],
		["critical headers", tokenOf(rsa, { ...rs256, crit: ["b64"] }, claims), "jwt_malformed"],
		["another issuer", tokenOf(rsa, rs256, { ...claims, iss: "https://evil.example" }), "jwt_issuer"],
		["another audience", tokenOf(rsa, rs256, { ...claims, aud: ["vault"] }), "jwt_audience"],
		["no audience", tokenOf(rsa, rs256, { ...claims, aud: undefined }), "jwt_audience"],
		["expired an hour ago", tokenOf(rsa, rs256, { ...claims, exp: nowSeconds - 3600 }), "jwt_expired"],
		["without an end", tokenOf(rsa, rs256, { ...claims, exp: undefined }), "jwt_expired"],
		["not valid for another hour", tokenOf(rsa, rs256, { ...claims, nbf: nowSeconds + 3600 }), "jwt_not_yet_valid"],
		["a user, not a service account", tokenOf(rsa, rs256, { ...claims, sub: "admin" }), "jwt_subject"],
		["a path for a name", tokenOf(rsa, rs256, { ...claims, sub: "system:serviceaccount:a/../b:c" }), "jwt_subject"],
		["a subject with another one behind it", tokenOf(rsa, rs256, { ...claims, sub: `${claims.sub}:x` }), "jwt_subject"],
	];
	for (const [what, token, reason] of refused)
		it(`is refused: ${what}`, () => {
			const outcome = tokens.verify(token, nowMs);
			assert.ok(!outcome.ok);
			assert.equal(outcome.reason, reason);
			assert.ok(outcome.because.length < 400);
		});

	it("says both times when it has expired: often it is a clock", () => {
		const outcome = tokens.verify(tokenOf(rsa, rs256, claims), nowMs + 2 * 3_600_000);
		assert.ok(!outcome.ok);
		assert.match(outcome.because, /expired at 2027-01-15T09:00:00.000Z; it is 2027-01-15T10:00:00.000Z here/);
	});
});

describe("the issuer's key set", () => {
	it("is taken over when the file changes, and kept when it breaks", () => {
		const path = join(directory, "changing.json");
		writeFileSync(path, JSON.stringify({ keys: [publicJwk(rsa, "one")] }));
		const changing = new ServiceAccountTokens({ issuer, audience: "istio-ca", keysFile: path });
		const ofEc = tokenOf(ec, { alg: "ES256", kid: "two" }, claims);
		assert.ok(!changing.verify(ofEc, nowMs).ok);
		writeFileSync(path, JSON.stringify({ keys: [publicJwk(rsa, "one"), publicJwk(ec, "two")] }));
		assert.ok(changing.verify(ofEc, nowMs).ok);
		writeFileSync(path, "{ half a file");
		assert.ok(changing.verify(ofEc, nowMs).ok);
		rmSync(path);
		assert.ok(changing.verify(ofEc, nowMs).ok);
	});

	it("must hold a key that is fit, at the start", () => {
		const path = join(directory, "unfit.json");
		const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
		writeFileSync(path, JSON.stringify({ keys: [publicJwk(weak, "weak"), { kty: "oct", k: "c2VjcmV0" }] }));
		assert.throws(() => new ServiceAccountTokens({ issuer, audience: "x", keysFile: path }), /holds no RSA key/);
		assert.throws(() => new ServiceAccountTokens({ issuer, audience: "x", keysFile: join(directory, "none") }));
	});
});
