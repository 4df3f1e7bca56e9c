// What an authority holds in memory at one moment: the roots that the mesh trusts and the issuers that can sign. Self-made
// ones come from the directory (authority-store.ts), plugged-in ones from the operator's files (plug-in-files.ts).

import { createHash, type KeyObject } from "node:crypto";
import { type CertificateFacts, hexOf, readCertificate } from "../certificate-reader.ts";
import { derFromPem } from "../certificate-request.ts";
import type { Revocations } from "./revocations.ts";
import { keyIdOf } from "./signing-key.ts";

export interface AuthorityCertificate {
	readonly pem: string;
	readonly facts: CertificateFacts;
	/** SHA-256 of the certificate, lower-case hex. */
	readonly fingerprint: string;
	/** Subject key id, lower-case hex. */
	readonly keyId: string;
}

export interface Issuer extends AuthorityCertificate {
	readonly key: KeyObject;
	/** Fingerprint of the root that it stands under. */
	readonly root: string;
	/** Certificates between this one and the root, PEM, nearest first. */
	readonly intermediates: readonly string[];
}

export interface AuthorityState {
	readonly source: "self-made" | "plug-in";
	/** Changes with every change of what follows. */
	readonly revision: string;
	readonly trustDomain: string;
	/** At least one; sorted by fingerprint. */
	readonly roots: readonly AuthorityCertificate[];
	readonly issuers: readonly Issuer[];
	/** One of `issuers`. */
	readonly signing: Issuer;
	/** Fingerprint of the root that new issuers come from. */
	readonly activeRoot: string;
	/** Of the operator's revocation lists. */
	readonly revocations?: Revocations;
}

/** Throws for a PEM that is no certificate; `where` names it. */
export function authorityCertificate(pem: string, where: string): AuthorityCertificate {
	const bytes = derFromPem("CERTIFICATE", pem);
	const facts = bytes && readCertificate(bytes);
	if (!bytes || !facts) throw new Error(`${where} holds no X.509 version 3 certificate in PEM form`);
	return {
		pem,
		facts,
		fingerprint: createHash("sha256").update(bytes).digest("hex"),
		keyId: facts.subjectKeyId ?? hexOf(keyIdOf(facts.publicKey)),
	};
}

/** Every certificate of a PEM text, each as text of its own. */
export function splitCertificates(text: string): readonly string[] {
	const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
	return blocks.map((block) => `${block}\n`);
}

/** base64url SHA-256 of a root's SubjectPublicKeyInfo: what join tokens name a root by. */
export function rootHashOf(root: AuthorityCertificate): string {
	return createHash("sha256").update(root.facts.publicKey).digest("base64url");
}
