import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aRequestAuthentication, aSecret } from "../../model/model.testing.ts";
import { manifestOf } from "./manifest.ts";

const keys = {
	keys: [
		{ kty: "oct", kid: "s", k: "HIDDEN" },
		{ kty: "RSA", n: "PUBLIC", e: "AQAB", d: "HIDDEN", p: "HIDDEN", qi: "HIDDEN", oth: [{ r: "HIDDEN" }] },
		{ kty: "EC", crv: "P-256", x: "PUBLIC", y: "PUBLIC", d: "HIDDEN" },
	],
};
const applied = (jwks: string) =>
	aRequestAuthentication(
		"a",
		{
			jwtRules: [
				{ issuer: "i", jwks },
				{ issuer: "j", jwksUri: "https://j.example/keys" },
			],
		},
		{ annotations: { "kubectl.kubernetes.io/last-applied-configuration": jwks, other: "kept" } },
	);

describe("a resource that is shown", () => {
	it("has the public keys of a key set, and no symmetric or private one", () => {
		const text = JSON.stringify(manifestOf(applied(JSON.stringify(keys))));
		assert.doesNotMatch(text, /HIDDEN/);
		assert.equal(text.match(/PUBLIC/g)?.length, 3);
		assert.match(text, /keys.*redacted.*j\.example.*/);
		assert.match(text, /"other":"kept"/);
	});

	it("has none either where the text is written in another way, or is no key set", () => {
		for (const jwks of [
			'{"keys":[{"kty":"o\\u0063t","\\u006b":"HIDDEN"}]}',
			"k: HIDDEN",
			'"HIDDEN"',
			'{"k":{"a":"HIDDEN"}}',
		])
			assert.doesNotMatch(JSON.stringify(manifestOf(applied(jwks))), /HIDDEN/, jwks);
	});

	it("has a key set as it was written where all of it is public", () => {
		const jwks = '{ "keys": [ {"kty":"RSA","n":"x","e":"AQAB"} ] }';
		assert.ok(JSON.stringify(manifestOf(applied(jwks))).includes(JSON.stringify(jwks)));
	});

	it("has no value of a Secret, neither in the copy that kubectl keeps", () => {
		const annotations = { "kubectl.kubernetes.io/last-applied-configuration": '{"data":{"a":"HIDDEN"}}' };
		assert.doesNotMatch(JSON.stringify(manifestOf(aSecret("s", { a: "HIDDEN" }, { annotations }))), /HIDDEN/);
	});
});
