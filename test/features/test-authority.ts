// A certificate authority of the test's own: a root, an issuer under it where wanted, and leaves of any SPIFFE id, valid for
// an hour around now. And its revocation lists.

import { createHash, generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import type { WorkloadKeyPair } from "../../src/envoy/secret/workload-secrets.ts";
import { publicKeyDer, signerOf } from "../../src/identity/authority/signing-key.ts";
import {
	type CertificateFields,
	distinguishedName,
	type Signer,
	signCertificate,
} from "../../src/identity/certificate.ts";
import { pemFromDer } from "../../src/identity/certificate-request.ts";
import { revocationListPem } from "../../src/identity/revocation-list.testing.ts";

export interface TestAuthority {
	readonly rootPem: string;
	/** A revocation list of the one that signs leaves, or of the root. `revoked`: chains, the first certificate of each. */
	revocationList(revoked: readonly WorkloadKeyPair[], options?: { nextUpdateMs?: number; by?: "root" }): string;
	/** A key and a certificate for `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, or whatever is given. */
	issue(uri: string): WorkloadKeyPair;
}

interface Signing {
	readonly name: Uint8Array;
	readonly keyId: Uint8Array;
	readonly publicKey: Uint8Array;
	readonly signer: Signer;
}

export function testAuthority(options: { readonly issuer?: boolean } = {}): TestAuthority {
	const root = newSigning("test");
	const rootPem = certificatePem(root, { ...namesOf(root), authority: {} });
	const signing = options.issuer ? newSigning("test issuer") : root;
	const issuerPem = options.issuer ? certificatePem(root, { ...namesOf(signing), authority: { pathLength: 0 } }) : "";
	return {
		rootPem,
		issue(uri) {
			const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
			const publicKey = publicKeyDer(pair.privateKey);
			const subjectKeyId = createHash("sha1").update(publicKey).digest();
			return {
				chainPem: certificatePem(signing, { publicKey, subjectKeyId, uri }) + issuerPem,
				keyPem: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
				rootPem,
			};
		},
		revocationList(revoked, { nextUpdateMs = Date.now() + 1_800_000, by } = {}) {
			const { name, signer, keyId } = by === "root" ? root : signing;
			const serials = revoked.map(({ chainPem }) => Buffer.from(new X509Certificate(chainPem).serialNumber, "hex"));
			return revocationListPem({ issuerName: name, authorityKeyId: keyId, serials, nextUpdateMs }, signer);
		},
	};
}

function newSigning(name: string): Signing {
	const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const publicKey = publicKeyDer(privateKey);
	const keyId = createHash("sha1").update(publicKey).digest();
	return { name: distinguishedName(name), publicKey, keyId, signer: signerOf(privateKey) };
}

const namesOf = ({ name, publicKey, keyId }: Signing) => ({ subjectName: name, publicKey, subjectKeyId: keyId });

function certificatePem(
	{ name, keyId, signer }: Signing,
	fields: Pick<CertificateFields, "publicKey" | "subjectKeyId" | "subjectName" | "authority" | "uri">,
): string {
	const shared = {
		serial: Uint8Array.from([1, ...randomBytes(8)]),
		issuerName: name,
		notBeforeMs: Date.now() - 1_800_000,
		notAfterMs: Date.now() + 1_800_000,
		authorityKeyId: keyId,
	};
	return pemFromDer("CERTIFICATE", signCertificate({ ...shared, ...fields }, signer));
}
