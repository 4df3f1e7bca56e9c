// The certificate authority of a mesh: a self-signed root kept in the control plane's data directory, and the leaves it signs.

import {
	createHash,
	createPrivateKey,
	createPublicKey,
	generateKeyPairSync,
	type KeyObject,
	randomBytes,
	verify,
	X509Certificate,
} from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Signer, signCertificate } from "../certificate.ts";
import { derFromPem, parseCertificateRequest, pemFromDer } from "../certificate-request.ts";
import { renderSpiffeId, type SpiffeId } from "../spiffe-id.ts";
import { publicKeyDer, signerOf } from "./signing-key.ts";

export interface AuthorityOptions {
	/** Holds ca-cert.pem and ca-key.pem (0600); made at the first start. Replicas that share it share the root. */
	readonly directory: string;
	readonly trustDomain: string;
	/** Life of a leaf; default 24 h, Istio's. */
	readonly leafTtlMs?: number;
	readonly wallMs: () => number;
}

export type SignOutcome =
	| { readonly ok: true; readonly chain: readonly string[]; readonly notAfterMs: number }
	| { readonly ok: false; readonly because: string };

const dayMs = 86_400_000;
const rootTtlMs = 3650 * dayMs;
/** Clocks differ: a leaf counts from a little before it was made. */
const backdateMs = 120_000;
const longestRequestBytes = 16_384;

export class Authority {
	readonly rootPem: string;
	readonly #options: AuthorityOptions;
	readonly #signer: Signer;
	readonly #keyId: Uint8Array;

	constructor(options: AuthorityOptions, rootPem: string, key: KeyObject) {
		this.rootPem = rootPem;
		this.#options = options;
		this.#signer = signerOf(key);
		this.#keyId = keyIdOf(publicKeyDer(key));
	}

	/** Signs the key of a PEM request for an identity that the caller has proved. Names inside the request are not looked at. */
	sign(requestPem: string, identity: SpiffeId): SignOutcome {
		if (requestPem.length > longestRequestBytes)
			return { ok: false, because: `request longer than ${longestRequestBytes} bytes` };
		const bytes = derFromPem("CERTIFICATE REQUEST", requestPem);
		if (!bytes) return { ok: false, because: "no PEM certificate request" };
		const parsed = parseCertificateRequest(bytes);
		if (!parsed.ok) return parsed;
		const key = importPublicKey(parsed.request.publicKey);
		const weakness = key ? weaknessOf(key) : "its public key cannot be read";
		if (!key || weakness) return { ok: false, because: weakness ?? "its public key cannot be read" };
		if (!verify("sha256", parsed.request.signed, key, parsed.request.signature))
			return { ok: false, because: "its signature does not fit its key" };
		const nowMs = this.#options.wallMs();
		const notAfterMs = nowMs + (this.#options.leafTtlMs ?? dayMs);
		const leaf = signCertificate(
			{
				serial: newSerial(),
				issuerOrganisation: this.#options.trustDomain,
				notBeforeMs: nowMs - backdateMs,
				notAfterMs,
				publicKey: parsed.request.publicKey,
				subjectKeyId: keyIdOf(parsed.request.publicKey),
				authorityKeyId: this.#keyId,
				isAuthority: false,
				uri: renderSpiffeId(identity),
			},
			this.#signer,
		);
		return { ok: true, chain: [pemFromDer("CERTIFICATE", leaf), this.rootPem], notAfterMs };
	}
}

/** Opens the authority in the directory, or makes a new root there. Throws when the files do not fit each other. */
export function openAuthority(options: AuthorityOptions): Authority {
	const certificatePath = join(options.directory, "ca-cert.pem");
	const keyPath = join(options.directory, "ca-key.pem");
	if (!existsSync(certificatePath)) createRoot(options);
	const rootPem = readFileSync(certificatePath, "utf8");
	const key = createPrivateKey(readFileSync(keyPath, "utf8"));
	if (!new X509Certificate(rootPem).checkPrivateKey(key))
		throw new Error(`${keyPath} is not the key of ${certificatePath}`);
	return new Authority(options, rootPem, key);
}

/** Builds the root aside and moves it into place as one: of two replicas that start together, the first one's root stays. */
function createRoot(options: AuthorityOptions): void {
	const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const publicKey = publicKeyDer(privateKey);
	const nowMs = options.wallMs();
	const root = signCertificate(
		{
			serial: newSerial(),
			issuerOrganisation: options.trustDomain,
			subjectOrganisation: options.trustDomain,
			notBeforeMs: nowMs - backdateMs,
			notAfterMs: nowMs + rootTtlMs,
			publicKey,
			subjectKeyId: keyIdOf(publicKey),
			authorityKeyId: keyIdOf(publicKey),
			isAuthority: true,
		},
		signerOf(privateKey),
	);
	const aside = `${options.directory}.${randomBytes(4).toString("hex")}`;
	mkdirSync(aside, { recursive: true, mode: 0o700 });
	writeFileSync(join(aside, "ca-key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }).toString(), {
		mode: 0o600,
	});
	writeFileSync(join(aside, "ca-cert.pem"), pemFromDer("CERTIFICATE", root), { mode: 0o644 });
	try {
		renameSync(aside, options.directory);
	} catch (error) {
		rmSync(aside, { recursive: true });
		if (!existsSync(join(options.directory, "ca-cert.pem"))) throw error;
	}
}

function importPublicKey(spki: Uint8Array): KeyObject | undefined {
	try {
		return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
	} catch {
		return undefined;
	}
}

/** Why a key is not fit to be certified. */
function weaknessOf(key: KeyObject): string | undefined {
	const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
	if (key.asymmetricKeyType === "rsa") {
		if (modulusLength < 2048) return `RSA key of ${modulusLength} bits is weaker than 2048`;
		return modulusLength > 8192 ? `RSA key of ${modulusLength} bits is longer than 8192` : undefined;
	}
	if (key.asymmetricKeyType === "ec") {
		return namedCurve === "prime256v1" || namedCurve === "secp384r1"
			? undefined
			: `curve ${namedCurve} is not P-256 or P-384`;
	}
	return `key type ${key.asymmetricKeyType} is not EC or RSA`;
}

const keyIdOf = (publicKey: Uint8Array): Uint8Array => createHash("sha1").update(publicKey).digest();

/** 127 random bits, positive. */
function newSerial(): Uint8Array {
	const serial = randomBytes(16);
	serial[0] = (serial[0] ?? 0) & 0x7f || 1;
	return serial;
}
