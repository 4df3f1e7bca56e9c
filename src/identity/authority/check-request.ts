// A certificate request as it comes from outside -> its public key, or why it is refused. What is cheap is checked first:
// nobody gets a long computation for a short message.

import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { derFromPem, parseCertificateRequest } from "../certificate-request.ts";

export type CheckedRequest =
	| { readonly ok: true; readonly publicKey: Uint8Array }
	| { readonly ok: false; readonly reason: RequestRefusal; readonly because: string };

/** As in the label of a metric. */
export type RequestRefusal = "request_too_long" | "malformed_request" | "unfit_key" | "wrong_signature";

export const longestRequestBytes = 16_384;

/** Object identifiers of signature algorithms (hex of their content) and their digests. SHA-1 and MD5 are not among them. */
const digests: Readonly<Record<string, string>> = {
	"2a8648ce3d040302": "sha256",
	"2a8648ce3d040303": "sha384",
	"2a8648ce3d040304": "sha512",
	"2a864886f70d01010b": "sha256",
	"2a864886f70d01010c": "sha384",
	"2a864886f70d01010d": "sha512",
};

/** Of a signature algorithm, by the content of its object identifier; undefined for those that are not taken. */
export function digestOf(algorithm: Uint8Array): string | undefined {
	return digests[Buffer.from(algorithm).toString("hex")];
}

export function checkRequest(pem: string): CheckedRequest {
	if (pem.length > longestRequestBytes)
		return refused("request_too_long", `request longer than ${longestRequestBytes} bytes`);
	const bytes = derFromPem("(?:NEW )?CERTIFICATE REQUEST", pem);
	if (!bytes) return refused("malformed_request", "no PEM certificate request");
	const parsed = parseCertificateRequest(bytes);
	if (!parsed.ok) return refused("malformed_request", parsed.because);
	const { publicKey, signed, signature, algorithm } = parsed.request;
	const key = importPublicKey(publicKey);
	if (!key) return refused("malformed_request", "its public key cannot be read");
	const weakness = weaknessOf(key, publicKey.length);
	if (weakness) return refused("unfit_key", weakness);
	const digest = digestOf(algorithm);
	if (!digest)
		return refused("wrong_signature", "it is signed neither with ECDSA nor with RSA, over SHA-256, 384 or 512");
	if (!isSigned(digest, signed, key, signature))
		return refused("wrong_signature", "its signature does not fit its key");
	return { ok: true, publicKey };
}

function refused(reason: RequestRefusal, because: string): CheckedRequest {
	return { ok: false, reason, because };
}

function importPublicKey(spki: Uint8Array): KeyObject | undefined {
	try {
		return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
	} catch {
		return undefined;
	}
}

/** Longest SubjectPublicKeyInfo of a key on P-384 whose curve is named. */
const longestEcKey = 120;

/** Why a key is not fit to be certified. `bytes`: length of its SubjectPublicKeyInfo. */
function weaknessOf(key: KeyObject, bytes: number): string | undefined {
	const { modulusLength = 0, publicExponent = 0n, namedCurve } = key.asymmetricKeyDetails ?? {};
	if (key.asymmetricKeyType === "rsa") {
		if (modulusLength < 2048) return `RSA key of ${modulusLength} bits is weaker than 2048`;
		if (modulusLength > 8192) return `RSA key of ${modulusLength} bits is longer than 8192`;
		const good = publicExponent >= 65_537n && publicExponent < 2n ** 32n && publicExponent % 2n === 1n;
		return good ? undefined : "RSA key with a public exponent that is even, below 65537 or above 32 bits";
	}
	if (key.asymmetricKeyType === "ec") {
		if (namedCurve !== "prime256v1" && namedCurve !== "secp384r1") return `curve ${namedCurve} is not P-256 or P-384`;
		// RFC 5480, 2.1.1: curves go by name. What OpenSSL knows by its numbers too, others refuse, Envoy among them.
		return bytes > longestEcKey ? "EC key that spells its curve out instead of naming it" : undefined;
	}
	return `key type ${key.asymmetricKeyType} is not EC or RSA`;
}

function isSigned(digest: string, signed: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
	try {
		return verify(digest, signed, key, signature);
	} catch {
		return false;
	}
}
