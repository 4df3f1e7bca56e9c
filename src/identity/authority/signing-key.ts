// Private keys of node:crypto as what certificates need of them, and the files that hold them, encrypted where a passphrase
// is given (PKCS #8, AES-256).

import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { ecdsaWithSha256, type Signer } from "../certificate.ts";
import { der, derObjectIdentifier, derSequence } from "../der.ts";

export type AuthorityKeyType = "ecdsa" | "rsa-2048" | "rsa-3072" | "rsa-4096";
export const authorityKeyTypes: readonly AuthorityKeyType[] = ["ecdsa", "rsa-2048", "rsa-3072", "rsa-4096"];

const ecdsaWithSha384 = derSequence(derObjectIdentifier("1.2.840.10045.4.3.3"));
const rsaWithSha256 = derSequence(derObjectIdentifier("1.2.840.113549.1.1.11"), der(0x05));

/** For RSA keys and EC keys on P-256 and P-384. */
export function signerOf(key: KeyObject): Signer {
	if (key.asymmetricKeyType === "rsa") return { algorithm: rsaWithSha256, sign: (bytes) => sign("sha256", bytes, key) };
	if (key.asymmetricKeyDetails?.namedCurve === "secp384r1")
		return { algorithm: ecdsaWithSha384, sign: (bytes) => sign("sha384", bytes, key) };
	return { algorithm: ecdsaWithSha256, sign: (bytes) => sign("sha256", bytes, key) };
}

/** SubjectPublicKeyInfo, DER. */
export function publicKeyDer(key: KeyObject): Uint8Array {
	return createPublicKey(key).export({ type: "spki", format: "der" });
}

/** The subject key id that this program gives to a key: SHA-1 of its SubjectPublicKeyInfo. */
export function keyIdOf(publicKey: Uint8Array): Uint8Array {
	return createHash("sha1").update(publicKey).digest();
}

export function newAuthorityKey(type: AuthorityKeyType = "ecdsa"): KeyObject {
	if (type === "ecdsa") return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
	return generateKeyPairSync("rsa", { modulusLength: Number(type.slice(4)) }).privateKey;
}

/** PEM of PKCS #8; encrypted when there is a passphrase. */
export function privateKeyPem(key: KeyObject, passphrase?: string): string {
	const form = { type: "pkcs8", format: "pem" } as const;
	return key.export(passphrase === undefined ? form : { ...form, cipher: "aes-256-cbc", passphrase }).toString();
}

/** Throws, naming the file and what to do, when it cannot be read, decrypted or understood. */
export function readPrivateKey(path: string, passphrase?: string): KeyObject {
	const pem = readFileSync(path, "utf8");
	const isEncrypted = /BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(pem);
	if (isEncrypted && passphrase === undefined)
		throw new Error(`${path} is encrypted: give its passphrase with --ca-passphrase-file`);
	try {
		return createPrivateKey({ key: pem, ...(isEncrypted ? { passphrase } : {}) });
	} catch (error) {
		if (isEncrypted) throw new Error(`${path}: the passphrase does not open it`, { cause: error });
		throw new Error(`${path} is no private key in PEM form`, { cause: error });
	}
}
