// The certificates of a self-made authority: a root of ten years, and under it issuers of one year.

import { type KeyObject, randomBytes } from "node:crypto";
import { type CertificateFields, distinguishedName, signCertificate } from "../certificate.ts";
import { hexOf } from "../certificate-reader.ts";
import { pemFromDer } from "../certificate-request.ts";
import { type AuthorityCertificate, authorityCertificate } from "./authority-state.ts";
import { keyIdOf, publicKeyDer, signerOf } from "./signing-key.ts";

export const dayMs = 86_400_000;
export const rootTtlMs = 3650 * dayMs;
export const issuerTtlMs = 365 * dayMs;
/** Clocks differ: a certificate counts from a little before it was made (Istio's two minutes). */
export const backdateMs = 120_000;

export function newRoot(key: KeyObject, trustDomain: string, nowMs: number, ttlMs = rootTtlMs): AuthorityCertificate {
	const { fields, keyId } = authorityFields(key, trustDomain, "root", nowMs, nowMs + ttlMs);
	const root = { ...fields, issuerName: fields.subjectName, authorityKeyId: keyId, authority: {} };
	return authorityCertificate(pemFromDer("CERTIFICATE", signCertificate(root, signerOf(key))), "a new root");
}

/** Never outlives its root. */
export function newIssuer(
	key: KeyObject,
	root: AuthorityCertificate,
	rootKey: KeyObject,
	trustDomain: string,
	nowMs: number,
	ttlMs = issuerTtlMs,
): AuthorityCertificate {
	const notAfterMs = Math.min(nowMs + ttlMs, root.facts.notAfterMs);
	const { fields } = authorityFields(key, trustDomain, "issuer", nowMs, notAfterMs);
	const issuer = {
		...fields,
		issuerName: root.facts.subjectName,
		authorityKeyId: Buffer.from(root.keyId, "hex"),
		authority: { pathLength: 0 },
	};
	return authorityCertificate(pemFromDer("CERTIFICATE", signCertificate(issuer, signerOf(rootKey))), "a new issuer");
}

/** 127 random bits, positive. */
export function newSerial(): Uint8Array {
	const serial = randomBytes(16);
	serial[0] = (serial[0] ?? 0) & 0x7f || 1;
	return serial;
}

/** The name carries the key id: two roots of one mesh can be told apart by people, and by name chaining. */
function authorityFields(key: KeyObject, trustDomain: string, what: string, nowMs: number, notAfterMs: number) {
	const publicKey = publicKeyDer(key);
	const keyId = keyIdOf(publicKey);
	const fields = {
		serial: newSerial(),
		subjectName: distinguishedName(trustDomain.slice(0, 64), `keepmesh ${what} ${hexOf(keyId).slice(0, 8)}`),
		notBeforeMs: nowMs - backdateMs,
		notAfterMs,
		publicKey,
		subjectKeyId: keyId,
	} satisfies Partial<CertificateFields>;
	return { fields, keyId };
}
