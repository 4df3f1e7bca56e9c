// Issuers of tokens for tests: keys of each kind, and tokens of any shape.

import { createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";

export type SigningAlgorithm = "RS256" | "PS256" | "ES256" | "ES384" | "EdDSA";

export interface TestKey {
	readonly kid: string;
	readonly algorithm: SigningAlgorithm;
	readonly privateKey: KeyObject;
	readonly publicKey: KeyObject;
}

export type Claims = Readonly<Record<string, unknown>>;

export function newKey(algorithm: SigningAlgorithm = "ES256", kid: string = randomUUID()): TestKey {
	return { kid, algorithm, ...generate(algorithm) };
}

function generate(algorithm: SigningAlgorithm): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
	switch (algorithm) {
		case "RS256":
		case "PS256":
			return generateKeyPairSync("rsa", { modulusLength: 2048 });
		case "ES256":
			return generateKeyPairSync("ec", { namedCurve: "P-256" });
		case "ES384":
			return generateKeyPairSync("ec", { namedCurve: "P-384" });
		case "EdDSA":
			return generateKeyPairSync("ed25519");
		default:
			return algorithm satisfies never;
	}
}

export function publicJwk(key: TestKey): Readonly<Record<string, unknown>> {
	return { ...key.publicKey.export({ format: "jwk" }), kid: key.kid, alg: key.algorithm, use: "sig" };
}

export function keySetText(...keys: readonly TestKey[]): string {
	return JSON.stringify({ keys: keys.map(publicJwk) });
}

export function base64url(value: unknown): string {
	return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

/** Seconds since the epoch, `offset` from now. */
export function seconds(offset: number): number {
	return Math.floor(Date.now() / 1000) + offset;
}

/** Valid for ten minutes unless the claims say otherwise; `header` overrides alg and kid, which are the key's. */
export function token(key: TestKey, claims: Claims, header: Claims = {}): string {
	const signed = unsigned({ alg: key.algorithm, typ: "JWT", kid: key.kid, ...header }, claims);
	return `${signed}.${signature(key, signed).toString("base64url")}`;
}

export function hmacToken(secret: string | Buffer, claims: Claims, header: Claims = {}): string {
	const signed = unsigned({ alg: "HS256", typ: "JWT", ...header }, claims);
	return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** Header and payload, without the dot and the signature after them. */
export function unsigned(header: Claims, claims: Claims): string {
	return `${base64url(header)}.${base64url({ iat: seconds(-5), exp: seconds(600), ...claims })}`;
}

function signature({ algorithm, privateKey }: TestKey, signed: string): Buffer {
	const data = Buffer.from(signed);
	switch (algorithm) {
		case "RS256":
			return sign("sha256", data, privateKey);
		case "PS256":
			return sign("sha256", data, { key: privateKey, padding: 6, saltLength: 32 });
		case "ES256":
			return sign("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" });
		case "ES384":
			return sign("sha384", data, { key: privateKey, dsaEncoding: "ieee-p1363" });
		case "EdDSA":
			return sign(null, data, privateKey);
		default:
			return algorithm satisfies never;
	}
}
