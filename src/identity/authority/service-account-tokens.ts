// Bearer tokens of a configured issuer, as Kubernetes projects them into pods: JWTs whose subject is a service account. In:
// the token, the issuer's key set in a file (JWKS), the time. Out: the service account, or why the token counts for nothing.
// Only RS256 and ES256; what the token itself says of algorithm and key never widens that (RFC 8725).

import { createPublicKey, type KeyObject, verify, type webcrypto } from "node:crypto";
import { readFileSync, statSync } from "node:fs";

export interface ServiceAccountTokenOptions {
	/** `iss`. */
	readonly issuer: string;
	/** `aud` must contain it; Istio's agents ask for `istio-ca`. */
	readonly audience: string;
	/** A JSON Web Key Set; read again whenever it changes. */
	readonly keysFile: string;
}

export type TokenRefusal =
	| "jwt_malformed"
	| "jwt_algorithm"
	| "jwt_unknown_key"
	| "jwt_signature"
	| "jwt_issuer"
	| "jwt_audience"
	| "jwt_expired"
	| "jwt_not_yet_valid"
	| "jwt_subject"
	| "review_failed";

export type TokenOutcome =
	| {
			readonly ok: true;
			readonly namespace: string;
			readonly serviceAccount: string;
			/** The token is of an agent of nodes, on this one. */
			readonly node?: string;
	  }
	| {
			readonly ok: false;
			readonly reason: TokenRefusal;
			readonly because: string;
			/** Another try, perhaps elsewhere, may do better. */
			readonly isPassing?: true;
	  };

type Jwk = webcrypto.JsonWebKey & { readonly kid?: unknown };

interface VerificationKey {
	readonly keyId: string | undefined;
	readonly algorithm: "RS256" | "ES256";
	readonly key: KeyObject;
}

const longestToken = 16_384;
/** Clocks of issuer and authority may differ by this much. */
const leewaySeconds = 60;

export class ServiceAccountTokens {
	readonly #options: ServiceAccountTokenOptions;
	#keys: readonly VerificationKey[];
	#version: string;

	/** Throws when the key file cannot be read or holds no key. */
	constructor(options: ServiceAccountTokenOptions) {
		this.#options = options;
		this.#version = versionOf(options.keysFile);
		this.#keys = readKeys(options.keysFile);
	}

	verify(token: string, nowMs: number): TokenOutcome {
		if (token.length > longestToken)
			return refused("jwt_malformed", `the token is longer than ${longestToken} characters`);
		const parts = token.split(".");
		const header = jsonObject(parts[0]);
		const claims = jsonObject(parts[1]);
		const signature = base64url(parts[2]);
		if (parts.length !== 3 || !header || !claims || !signature)
			return refused("jwt_malformed", "the bearer token is neither a join token nor a signed JWT");
		const { alg, kid, crit } = header;
		if (alg !== "RS256" && alg !== "ES256")
			return refused("jwt_algorithm", `the token's algorithm ${shown(alg)} is neither RS256 nor ES256`);
		if (crit !== undefined) return refused("jwt_malformed", "the token has critical headers that are not understood");
		if (kid !== undefined && (typeof kid !== "string" || kid.length > 256))
			return refused("jwt_unknown_key", "the token's key id is not a short text");
		this.#followKeys();
		const keys = this.#keys.filter((one) => one.algorithm === alg && (kid === undefined || one.keyId === kid));
		if (keys.length === 0) return refused("jwt_unknown_key", `the key set has no ${alg} key ${shown(kid)}`);
		const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
		if (!keys.some(({ key }) => isSigned(alg, key, signed, signature)))
			return refused("jwt_signature", "the token's signature does not fit the issuer's key");
		return this.#checkClaims(claims, nowMs / 1000);
	}

	#checkClaims({ aud, exp, iss, nbf, sub }: Readonly<Record<string, unknown>>, nowSeconds: number): TokenOutcome {
		const { audience, issuer } = this.#options;
		if (iss !== issuer) return refused("jwt_issuer", `the token is from ${shown(iss)}, not from ${issuer}`);
		const audiences = Array.isArray(aud) ? aud : [aud];
		if (!audiences.includes(audience))
			return refused("jwt_audience", `the token is for ${shown(aud)}, not for ${audience}`);
		if (typeof exp !== "number" || !Number.isFinite(exp)) return refused("jwt_expired", "the token never expires");
		if (exp + leewaySeconds <= nowSeconds)
			return refused("jwt_expired", `the token expired at ${timeText(exp)}; it is ${timeText(nowSeconds)} here`);
		if (nbf !== undefined && (typeof nbf !== "number" || nbf - leewaySeconds > nowSeconds))
			return refused(
				"jwt_not_yet_valid",
				`the token is not valid before ${timeText(nbf)}; it is ${timeText(nowSeconds)} here`,
			);
		const name = "([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)";
		const account = new RegExp(`^system:serviceaccount:${name}:${name}$`).exec(typeof sub === "string" ? sub : "");
		const [, namespace = "", serviceAccount = ""] = account ?? [];
		if (!account) return refused("jwt_subject", `the token's subject ${shown(sub)} is no service account`);
		return { ok: true, namespace, serviceAccount };
	}

	/** A file that cannot be read, or is bad, leaves the keys as they were. */
	#followKeys(): void {
		try {
			const version = versionOf(this.#options.keysFile);
			if (version === this.#version) return;
			this.#version = version;
			this.#keys = readKeys(this.#options.keysFile);
		} catch {
			return;
		}
	}
}

function versionOf(path: string): string {
	const { ino, mtimeMs, size } = statSync(path);
	return `${ino} ${mtimeMs} ${size}`;
}

function readKeys(path: string): readonly VerificationKey[] {
	let listed: readonly Jwk[];
	try {
		listed = (JSON.parse(readFileSync(path, "utf8")) as { keys: readonly Jwk[] }).keys;
	} catch (error) {
		throw new Error(`${path} is no JSON Web Key Set`, { cause: error });
	}
	const keys = (Array.isArray(listed) ? listed : []).flatMap((jwk) => verificationKey(jwk) ?? []);
	if (keys.length === 0) throw new Error(`${path} holds no RSA key of 2048 bits or more and no EC key on P-256`);
	return keys;
}

function verificationKey(jwk: Jwk): VerificationKey | undefined {
	let key: KeyObject;
	try {
		key = createPublicKey({ key: { ...jwk }, format: "jwk" });
	} catch {
		return undefined;
	}
	const keyId = typeof jwk.kid === "string" ? jwk.kid : undefined;
	const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
	if (key.asymmetricKeyType === "rsa" && modulusLength >= 2048) return { keyId, algorithm: "RS256", key };
	if (namedCurve === "prime256v1") return { keyId, algorithm: "ES256", key };
	return undefined;
}

function isSigned(algorithm: "RS256" | "ES256", key: KeyObject, signed: Uint8Array, signature: Uint8Array): boolean {
	try {
		return verify("sha256", signed, algorithm === "ES256" ? { key, dsaEncoding: "ieee-p1363" } : key, signature);
	} catch {
		return false;
	}
}

function base64url(part: string | undefined): Buffer | undefined {
	const bytes = part === undefined ? undefined : Buffer.from(part, "base64url");
	// One text for each token: bits that decoding would pass over are not.
	return bytes && bytes.length > 0 && bytes.toString("base64url") === part ? bytes : undefined;
}

function jsonObject(part: string | undefined): Readonly<Record<string, unknown>> | undefined {
	try {
		const value: unknown = JSON.parse((base64url(part) ?? "").toString());
		return typeof value === "object" && value !== null && !Array.isArray(value)
			? (value as Readonly<Record<string, unknown>>)
			: undefined;
	} catch {
		return undefined;
	}
}

function refused(reason: TokenRefusal, because: string): TokenOutcome {
	return { ok: false, reason, because };
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? "(none)").slice(0, 100);

function timeText(seconds: unknown): string {
	const at = new Date(Number(seconds) * 1000);
	return Number.isNaN(at.getTime()) ? shown(seconds) : at.toISOString();
}
