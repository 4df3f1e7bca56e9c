import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import { ecdsaWithSha256 } from "../certificate.ts";
import { pemFromDer } from "../certificate-request.ts";
import { derBitString, derContext, derInteger, derSequence } from "../der.ts";
import { requestFor } from "./authority.testing.ts";
import { checkRequest } from "./check-request.ts";
import { publicKeyDer } from "./signing-key.ts";

const ec = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve }).privateKey;
const rsa = (modulusLength: number) => generateKeyPairSync("rsa", { modulusLength }).privateKey;

/** A request with a key that nobody could sign for in a test's time: its signature is never looked at. */
function hugeRsaRequest(bits: number): string {
	const modulus = new Uint8Array(bits / 8).fill(0xc5);
	const rsaKey = derSequence(derInteger(modulus), derInteger(Uint8Array.of(1, 0, 1)));
	const algorithm = derSequence(
		Uint8Array.of(0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01),
		Uint8Array.of(0x05, 0x00),
	);
	const body = derSequence(derInteger(0), derSequence(), derSequence(algorithm, derBitString(rsaKey)), derContext(0));
	return pemFromDer("CERTIFICATE REQUEST", derSequence(body, ecdsaWithSha256, derBitString(new Uint8Array(70))));
}

function requestWithManyNames(): string {
	const body = derSequence(derInteger(0), derSequence(), publicKeyDer(ec("P-256")), derContext(0));
	const names = derSequence(...Array.from({ length: 10_000 }, () => derSequence(derInteger(1))));
	return pemFromDer("CERTIFICATE REQUEST", derSequence(body, ecdsaWithSha256, derBitString(names)));
}

function sha1Request(): string {
	const words = "req -new -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=x -sha1".split(" ");
	return execFileSync("openssl", words, { stdio: ["ignore", "pipe", "ignore"] }).toString();
}

function explicitCurveRequest(): string {
	const words = "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit -nodes -subj /";
	const args = [...words.split(" "), "-keyout", "/dev/null"];
	return execFileSync("openssl", args, { stdio: ["ignore", "pipe", "ignore"] }).toString();
}

const refused: readonly (readonly [string, () => string, string, RegExp])[] = [
	["text that is no request", () => "hello", "malformed_request", /no PEM/],
	["a megabyte", () => "x".repeat(1_000_000), "request_too_long", /longer than/],
	["ten thousand names", requestWithManyNames, "request_too_long", /longer than/],
	[
		"bytes that are no DER",
		() => pemFromDer("CERTIFICATE REQUEST", Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff)),
		"malformed_request",
		/longer than what holds it/,
	],
	[
		"an empty sequence",
		() => pemFromDer("CERTIFICATE REQUEST", derSequence()),
		"malformed_request",
		/not a PKCS #10 request/,
	],
	["a key that did not sign it", () => requestFor(ec("P-256"), ec("P-256")), "wrong_signature", /does not fit/],
	["a signature over SHA-1", sha1Request, "wrong_signature", /SHA-256/],
	["an RSA key of 1024 bits", () => requestFor(rsa(1024)), "unfit_key", /weaker than 2048/],
	["an RSA key of 16384 bits", () => hugeRsaRequest(16_384), "unfit_key", /longer than 8192/],
	["a key on a curve that Istio does not take", () => requestFor(ec("secp521r1")), "unfit_key", /not P-256 or P-384/],
	["a curve that is spelt out", explicitCurveRequest, "unfit_key", /spells its curve out/],
	[
		"an Ed25519 key",
		() => requestFor(generateKeyPairSync("ed25519").privateKey, ec("P-256")),
		"unfit_key",
		/not EC or RSA/,
	],
];

describe("a certificate request", () => {
	for (const [what, request, reason, because] of refused)
		it(`is refused: ${what}`, () => {
			const outcome = checkRequest(request());
			assert.ok(!outcome.ok);
			assert.match(outcome.because, because);
			assert.equal(outcome.reason, reason);
		});

	it("is refused, and nothing worse, wherever it is cut off or a byte is changed", () => {
		const pem = requestFor();
		const bytes = Buffer.from(pem.replace(/-----.*-----|\s/g, ""), "base64");
		const isTaken = (changed: Uint8Array): boolean => checkRequest(pemFromDer("CERTIFICATE REQUEST", changed)).ok;
		assert.ok(isTaken(bytes));
		for (let at = 0; at < bytes.length; at++) {
			assert.ok(!isTaken(bytes.subarray(0, at)), `cut at ${at}`);
			const changed = Uint8Array.from(bytes);
			changed[at] = (changed[at] ?? 0) ^ 0x41;
			checkRequest(pemFromDer("CERTIFICATE REQUEST", changed));
		}
	});

	for (const [what, key] of [
		["P-256", () => ec("P-256")],
		["P-384", () => ec("secp384r1")],
		["RSA of 2048 bits", () => rsa(2048)],
	] as const)
		it(`is taken with a key on ${what}`, () => assert.ok(checkRequest(requestFor(key())).ok));
});
