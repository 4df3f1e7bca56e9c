// Which certificates the operator's revocation lists (ca-crl.pem) revoke. In: the lists, and the authorities that may have
// signed them. Out: whether a certificate is on one. A list past its next update still counts: revoked stays revoked.

import { verify, X509Certificate } from "node:crypto";
import { type CertificateFacts, hexOf } from "../certificate-reader.ts";
import { derFromPem } from "../certificate-request.ts";
import { type RevocationList, readRevocationList } from "../revocation-list.ts";
import type { AuthorityCertificate } from "./authority-state.ts";
import { digestOf } from "./check-request.ts";

export class Revocations {
	/** Serials by the issuer's name, both hex. */
	readonly #revoked = new Map<string, Set<string>>();
	readonly problems: readonly string[];

	/** `path`: for messages. */
	constructor(pem: string, authorities: readonly AuthorityCertificate[], path: string) {
		const blocks = pem.match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g) ?? [];
		const problems = blocks.flatMap((block, position) => {
			const bytes = derFromPem("X509 CRL", block);
			const list = bytes && readRevocationList(bytes);
			if (!list) return [`list ${position + 1} of ${path} is no revocation list`];
			if (!authorities.some((one) => isSignedBy(list, one)))
				return [`list ${position + 1} of ${path} is signed by none of the plugged-in authorities`];
			this.#add(list);
			return [];
		});
		this.problems = blocks.length === 0 ? [`${path} holds no revocation list in PEM form`] : problems;
	}

	has(certificate: CertificateFacts): boolean {
		return this.#revoked.get(hexOf(certificate.issuerName))?.has(certificate.serial) ?? false;
	}

	#add({ issuerName, serials }: RevocationList): void {
		const name = hexOf(issuerName);
		this.#revoked.set(name, new Set([...(this.#revoked.get(name) ?? []), ...serials]));
	}
}

function isSignedBy(list: RevocationList, authority: AuthorityCertificate): boolean {
	const digest = digestOf(list.algorithm);
	if (!digest || Buffer.compare(list.issuerName, authority.facts.subjectName) !== 0) return false;
	try {
		return verify(digest, list.signed, new X509Certificate(authority.pem).publicKey, list.signature);
	} catch {
		return false;
	}
}
