import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readResourceFile } from "../read-resources.ts";
import { refusedHost } from "./key-uri-rules.ts";
import { describeRules, type RuleCase } from "./rules.testing.ts";

const issuer = "https://issuer.example";
const rule = (fields: string): string => `jwtRules: [{issuer: "${issuer}", ${fields}}]`;
const keys = (json: string): string => rule(`jwks: '${json}'`);
const uri = (text: string): string => rule(`jwksUri: "${text}"`);
const at = "spec.jwtRules[0]";

const cases: readonly RuleCase[] = [
	["no rules", "{}"],
	["an issuer whose keys are discovered", "jwtRules: [{issuer: https://issuer.example}]"],
	["a rule without issuer", "jwtRules: [{jwksUri: https://a.example/k}]", `error ${at}.issuer: issuer is missing`],
	[
		"an empty issuer",
		"jwtRules: [{issuer: '', jwksUri: https://a.example/k}]",
		`error ${at}.issuer: the issuer is empty`,
	],
	[
		"an issuer that is no address, without keys",
		"jwtRules: [{issuer: testing@secure.istio.io}]",
		`warning ${at}.issuer: there is nowhere to get keys from: as an address, the issuer is not a URL`,
	],
	["an issuer that is no address, with keys", "jwtRules: [{issuer: a@b.c, jwksUri: https://a.example/k}]"],
	[
		"an issuer on the machine itself, without keys",
		"jwtRules: [{issuer: http://localhost:8080}]",
		`warning ${at}.issuer: `,
	],
	["an issuer with a blank", "jwtRules: [{issuer: 'a ', jwksUri: https://a.example/k}]", `warning ${at}.issuer: `],
	[
		"two rules of one issuer",
		`jwtRules: [{issuer: "${issuer}"}, {issuer: "${issuer}"}]`,
		"warning spec.jwtRules[1].issuer: ",
	],
	["audiences", rule("audiences: [a, b]")],
	["an empty audience", rule("audiences: ['']"), `error ${at}.audiences[0]: is an empty text`],

	["an address of keys", uri("https://issuer.example:8443/keys?v=1")],
	["an address in the mesh", uri("http://issuer.default.svc.cluster.local:8080/jwks")],
	["an address by its older name", rule("jwks_uri: https://issuer.example/keys")],
	["both names", rule("jwks_uri: https://a.example, jwksUri: https://a.example"), `error ${at}.jwks_uri: `],
	[
		"an address of another scheme",
		uri("file:///etc/passwd"),
		`error ${at}.jwksUri: "file:///etc/passwd" does not begin with`,
	],
	["an address that is none", uri("keys"), `error ${at}.jwksUri: "keys" is not a URL`],
	["a password in an address", uri("https://a:b@issuer.example/keys"), `error ${at}.jwksUri: `],
	["a very long address", uri(`https://a.example/${"a".repeat(2048)}`), `error ${at}.jwksUri: has 2066 characters`],
	["keys on the machine itself, as labs have", uri("http://127.0.0.1:8080/keys"), `warning ${at}.jwksUri: `],
	["the address of nobody", uri("http://0.0.0.0:8080/keys"), `error ${at}.jwksUri: `],
	["a metadata service", uri("http://169.254.169.254/latest/meta-data/"), `error ${at}.jwksUri: `],
	[
		"keys and an address",
		rule(`jwks: '{"keys": []}', jwksUri: https://a.example`),
		`error ${at}.jwks: jwks and jwksUri`,
		`warning ${at}.jwks: holds no key`,
	],
	[
		"keys",
		keys('{"keys": [{"kty": "RSA", "n": "a", "e": "AQAB"}, {"kty": "EC", "crv": "P-256", "x": "a", "y": "b"}]}'),
	],
	["no key", keys('{"keys": []}'), `warning ${at}.jwks: holds no key, so no token is accepted`],
	["keys that are no JSON", keys("hello"), `error ${at}.jwks: is not a set of keys: it is not JSON`],
	[
		"a single key",
		keys('{"kty": "RSA", "n": "a", "e": "AQAB"}'),
		`error ${at}.jwks: is not a set of keys: it has no list "keys"`,
	],
	["a list of keys", keys('[{"kty": "RSA"}]'), `error ${at}.jwks: is not a set of keys: it is no JSON object`],
	[
		"a key without type",
		keys('{"keys": [{"n": "a"}]}'),
		`error ${at}.jwks: is not a set of keys: key 1 has no type (kty)`,
	],
	[
		"half a key",
		keys('{"keys": [{"kty": "RSA", "n": "a"}]}'),
		`error ${at}.jwks: is not a set of keys: key 1 of type RSA has no e`,
	],
	["a key of a type that is not known", keys('{"keys": [{"kty": "constructor"}]}')],
	[
		"a private key",
		keys('{"keys": [{"kty": "RSA", "n": "a", "e": "b", "d": "c"}]}'),
		`warning ${at}.jwks: holds a private key`,
	],

	["headers of tokens", rule("fromHeaders: [{name: x-token, prefix: 'Bearer '}, {name: Authorization}]")],
	["a header without name", rule("fromHeaders: [{prefix: a}]"), `error ${at}.fromHeaders[0].name: name is missing`],
	[
		"a header that is none",
		rule("fromHeaders: [{name: 'a b'}]"),
		`error ${at}.fromHeaders[0].name: "a b" is not a header name`,
	],
	["parameters and cookies", rule("fromParams: [token], fromCookies: [session]")],
	["an empty parameter", rule("fromParams: ['']"), `error ${at}.fromParams[0]: the name is empty`],
	["an empty cookie", rule("fromCookies: ['']"), `error ${at}.fromCookies[0]: the name is empty`],
	[
		"a cookie that is none",
		rule("fromCookies: ['a=b']"),
		`error ${at}.fromCookies[0]: "a=b" is not a name of a cookie`,
	],
	[
		"outputs",
		rule(
			"outputPayloadToHeader: x-jwt, outputClaimToHeaders: [{header: x-sub, claim: sub}, {header: x-a, claim: a.b}]",
		),
	],
	[
		"a payload in no header",
		rule("outputPayloadToHeader: ''"),
		`error ${at}.outputPayloadToHeader: "" is not a header name`,
	],
	[
		"a claim in no header",
		rule("outputClaimToHeaders: [{header: 'x:y', claim: sub}]"),
		`error ${at}.outputClaimToHeaders[0].header: `,
	],
	["no claim", rule("outputClaimToHeaders: [{header: x, claim: ''}]"), `error ${at}.outputClaimToHeaders[0].claim: `],
	[
		"a header without claim",
		rule("outputClaimToHeaders: [{header: x}]"),
		`error ${at}.outputClaimToHeaders[0].claim: claim is missing`,
	],
	[
		"two claims in one header",
		rule("outputClaimToHeaders: [{header: X, claim: a}, {header: x, claim: b}]"),
		`warning ${at}.outputClaimToHeaders[1].header: x gets the value of a claim above`,
	],
	["the rest", rule("forwardOriginalToken: true, timeout: 3s, spaceDelimitedClaims: [roles]")],
	["a timeout of nothing", rule("timeout: 0s"), `error ${at}.timeout: must be at least 1ms`],
	["a timeout without unit", rule("timeout: '5'"), `error ${at}.timeout: is not a duration`],
];

describeRules("RequestAuthentication", cases);

describe("keys of tokens", () => {
	it("are found under jwksUri, whichever name the file has", () => {
		const text = `apiVersion: security.istio.io/v1beta1\nkind: RequestAuthentication\nmetadata: {name: a}\nspec: {${rule("jwks_uri: https://a.example/k")}}\n`;
		const [object] = readResourceFile("a.yaml", text).objects;
		assert.deepEqual(object?.spec, { jwtRules: [{ issuer, jwksUri: "https://a.example/k" }] });
	});

	it("are not printed when they are broken", () => {
		const text = `apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: a}\nspec: {${keys('{"keys": [{"kty": "oct", "k": 5, "alg": "Secret-Key"}')}}\n`;
		const { problems } = readResourceFile("a.yaml", text);
		assert.equal(problems.length, 1);
		assert.doesNotMatch(JSON.stringify(problems), /Secret-Key/);
	});

	for (const host of [
		"169.254.169.254",
		"2852039166",
		"0xa9fea9fe",
		"169.254.43518",
		"[::ffff:169.254.169.254]",
		"::ffff:a9fe:a9fe",
		"64:ff9b::169.254.169.254",
		"fe80::1",
		"[febf::1]",
		"127.0.0.1",
		"127.1",
		"0.0.0.0",
		"::1",
		"::",
		"::127.0.0.1",
		"localhost",
		"LOCALHOST.",
		"a.localhost",
		"metadata.google.internal",
		"metadata.google.internal.",
		"100.100.100.200",
		"fd00:ec2::254",
	])
		it(`are not fetched from ${host}`, () => assert.notEqual(refusedHost(host), undefined));

	for (const host of [
		"10.0.0.1",
		"169.253.0.1",
		"issuer.example",
		"metadata.example",
		"fd00::1",
		"2001:db8::1",
		"128.0.0.1",
	])
		it(`may be fetched from ${host}`, () => assert.equal(refusedHost(host), undefined));
});
