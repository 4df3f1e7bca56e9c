// What of a key set gets into configurations.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keySetForEnvoy, readKeySet } from "./key-set.ts";

const rsa = { kty: "RSA", kid: "a", alg: "RS256", use: "sig", n: "AQAB", e: "AQAB" };
const privateParts = { d: "secret-d", p: "secret-p", q: "secret-q", dp: "secret-dp", dq: "secret-dq", qi: "secret-qi" };

function read(...keys: readonly unknown[]): ReturnType<typeof readKeySet> {
	return readKeySet(JSON.stringify({ keys }), "leaveOut");
}

describe("readKeySet", () => {
	it("keeps public keys of every kind", () => {
		const ec = { kty: "EC", crv: "P-256", x: "AA", y: "AA", kid: "b" };
		const okp = { kty: "OKP", crv: "Ed25519", x: "AA" };
		const made = read(rsa, ec, okp);
		assert.ok(made.ok);
		assert.equal(made.count, 3);
		assert.deepEqual(made.leftOut, []);
		assert.deepEqual(
			JSON.parse(made.keys).keys.map(({ kty }: { kty: string }) => kty),
			["EC", "OKP", "RSA"],
		);
	});

	it("carries over nothing that is private", () => {
		const ec = { kty: "EC", crv: "P-256", x: "AA", y: "AA", d: "secret-d" };
		const made = read({ ...rsa, ...privateParts, oth: [{ r: "secret-r" }], k: "secret-k" }, ec);
		assert.ok(made.ok);
		assert.doesNotMatch(JSON.stringify(made), /secret/);
		assert.deepEqual(made.leftOut, ["key 1: private members removed", "key 2: private members removed"]);
	});

	it("leaves symmetric keys out, unless they are meant to be there", () => {
		const symmetric = { kty: "oct", kid: "s", k: "secret-k" };
		const made = read(symmetric, rsa);
		assert.ok(made.ok);
		assert.equal(made.count, 1);
		assert.doesNotMatch(JSON.stringify(made), /secret/);
		const kept = readKeySet(JSON.stringify({ keys: [symmetric] }), "keep");
		assert.ok(kept.ok);
		assert.match(kept.keys, /secret-k/);
	});

	it("leaves out keys that cannot be used, and says which", () => {
		const made = read(
			rsa,
			"text",
			null,
			{ kty: "toString" },
			{ kty: 7 },
			{ ...rsa, use: "enc" },
			{ ...rsa, n: 5 },
			[],
			{
				...rsa,
				n: "A".repeat(3000),
			},
		);
		assert.ok(made.ok);
		assert.equal(made.count, 1);
		assert.equal(made.leftOut.length, 8);
	});

	it("is bounded", () => {
		const made = read(...Array.from({ length: 500 }, (_, index) => ({ ...rsa, kid: `${index}` })));
		assert.ok(made.ok);
		assert.equal(made.count, 100);
		assert.deepEqual(made.leftOut, ["400 keys after the first 100"]);
	});

	it("refuses what is no key set, without quoting it", () => {
		for (const text of [
			"",
			"secret",
			'{"secret',
			"null",
			"[]",
			"{}",
			'{"keys":{}}',
			'{"keys":[]}',
			'{"keys":[{"kty":"oct","k":"secret"}]}',
		]) {
			const made = readKeySet(text, "leaveOut");
			assert.ok(!made.ok, text);
			assert.doesNotMatch(made.because, /secret/);
		}
	});

	it("gives one text for the same keys, however they were written", () => {
		const written = read({ e: "AQAB", n: "AQAB", x5c: ["AA"], use: "sig", kty: "RSA", alg: "RS256", kid: "a" });
		assert.deepEqual(written, read(rsa));
		const other = { ...rsa, kid: "b" };
		assert.deepEqual(read(rsa, other), read(other, rsa));
	});
});

describe("keySetForEnvoy", () => {
	it("always holds a key that Envoy can read", () => {
		assert.equal(JSON.parse(keySetForEnvoy(undefined)).keys.length, 1);
		assert.equal(JSON.parse(keySetForEnvoy(JSON.stringify({ keys: [rsa] }))).keys.length, 2);
	});

	it("adds a key for which nobody can sign: it is no point of its curve", () => {
		const { x } = JSON.parse(keySetForEnvoy(undefined)).keys[0];
		const prime = 2n ** 255n - 19n;
		const power = (base: bigint, exponent: bigint): bigint => {
			let result = 1n;
			for (let b = base % prime, e = exponent; e > 0n; e >>= 1n, b = (b * b) % prime) {
				if (e & 1n) result = (result * b) % prime;
			}
			return result;
		};
		const bytes = [...atob(x.replaceAll("-", "+").replaceAll("_", "/"))].map((char) => BigInt(char.charCodeAt(0)));
		assert.equal(bytes.length, 32);
		const y = bytes.reduceRight((number, byte) => (number << 8n) | byte, 0n) & (2n ** 255n - 1n);
		const d = ((prime - 121665n) * power(121666n, prime - 2n)) % prime;
		const xSquared = ((y * y - 1n + prime) * power(d * y * y + 1n, prime - 2n)) % prime;
		assert.equal(power(xSquared, (prime - 1n) / 2n), prime - 1n);
	});
});
