// Which certificates the operator's revocation lists (ca-crl.pem) revoke. In: the lists, and the authorities that may have
// signed them. Out: whether a certificate is on one, and the lists that Envoys can work with. For the control plane a list
// past its next update still counts: revoked stays revoked.

import { verify, X509Certificate } from "node:crypto";
import { type CertificateFacts, hexOf } from "../certificate-reader.ts";
import { derFromPem, pemFromDer } from "../certificate-request.ts";
import { type RevocationList, readRevocationList } from "../revocation-list.ts";
import type { AuthorityCertificate } from "./authority-state.ts";
import { digestOf } from "./check-request.ts";

interface Verified {
	readonly list: RevocationList;
	readonly by: AuthorityCertificate;
	readonly pem: string;
}

export interface EnvoyLists {
	readonly lists: readonly string[];
	/** Why there are none. */
	readonly because?: string;
}

export class Revocations {
	/** Serials by the issuer's name, both hex. */
	readonly #revoked = new Map<string, Set<string>>();
	readonly #lists: Verified[] = [];
	readonly problems: readonly string[];

	/** `path`: for messages. */
	constructor(pem: string, authorities: readonly AuthorityCertificate[], path: string) {
		const blocks = pem.match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g) ?? [];
		const problems = blocks.flatMap((block, position) => {
			const bytes = derFromPem("X509 CRL", block);
			const list = bytes && readRevocationList(bytes);
			if (!list) return [`list ${position + 1} of ${path} is no revocation list`];
			const by = authorities.find((one) => isSignedBy(list, one));
			if (!by) return [`list ${position + 1} of ${path} is signed by none of the plugged-in authorities`];
			this.#add(list);
			this.#lists.push({ list, by, pem: pemFromDer("X509 CRL", bytes) });
			return [];
		});
		this.problems = blocks.length === 0 ? [`${path} holds no revocation list in PEM form`] : problems;
	}

	has(certificate: CertificateFacts): boolean {
		return this.#revoked.get(hexOf(certificate.issuerName))?.has(certificate.serial) ?? false;
	}

	/**
	 * For Envoys: the newest list of each authority, PEM, sorted. None unless there is one of the authority that signs
	 * leaves: an Envoy that has any list refuses leaves whose issuer has none.
	 */
	forEnvoys(signing: AuthorityCertificate): EnvoyLists {
		const newest = new Map<string, Verified>();
		for (const one of this.#lists) {
			const { keyId } = one.by;
			const before = newest.get(keyId);
			if (canWorkWith(one) && !(before && before.list.thisUpdateMs > one.list.thisUpdateMs)) newest.set(keyId, one);
		}
		if (newest.has(signing.keyId)) return { lists: [...newest.values()].map(({ pem }) => pem).sort() };
		const own = this.#lists.find(({ by }) => by.keyId === signing.keyId);
		if (!own) return { lists: [], because: "there is none of the authority that signs certificates" };
		const what = own.list.isSpecial
			? "that of the signing authority has critical extensions"
			: "the signing authority may not sign lists (keyUsage lacks cRLSign)";
		return { lists: [], because: what };
	}

	#add({ issuerName, serials }: RevocationList): void {
		const name = hexOf(issuerName);
		this.#revoked.set(name, new Set([...(this.#revoked.get(name) ?? []), ...serials]));
	}
}

/** Envoy refuses every certificate of an authority whose list it cannot work with. */
const canWorkWith = ({ list, by }: Verified): boolean => !list.isSpecial && by.facts.maySignRevocationLists;

function isSignedBy(list: RevocationList, authority: AuthorityCertificate): boolean {
	const digest = digestOf(list.algorithm);
	if (!digest || Buffer.compare(list.issuerName, authority.facts.subjectName) !== 0) return false;
	try {
		return verify(digest, list.signed, new X509Certificate(authority.pem).publicKey, list.signature);
	} catch {
		return false;
	}
}
