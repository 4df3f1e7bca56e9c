// A certificate authority of the test's own: a root, and leaves of any SPIFFE id, valid for an hour around now.

import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import type { WorkloadKeyPair } from "../../src/envoy/secret/workload-secrets.ts";
import { publicKeyDer, signerOf } from "../../src/identity/authority/signing-key.ts";
import { distinguishedName, signCertificate } from "../../src/identity/certificate.ts";
import { pemFromDer } from "../../src/identity/certificate-request.ts";

export interface TestAuthority {
	readonly rootPem: string;
	/** A key and a certificate for `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, or whatever is given. */
	issue(uri: string): WorkloadKeyPair;
}

export function testAuthority(): TestAuthority {
	const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const publicKey = publicKeyDer(privateKey);
	const keyId = createHash("sha1").update(publicKey).digest();
	const name = distinguishedName("test");
	const shared = () => ({
		serial: Uint8Array.from([1, ...randomBytes(8)]),
		issuerName: name,
		notBeforeMs: Date.now() - 1_800_000,
		notAfterMs: Date.now() + 1_800_000,
		authorityKeyId: keyId,
	});
	const root = { ...shared(), subjectName: name, publicKey, subjectKeyId: keyId, authority: {} };
	const rootPem = pemFromDer("CERTIFICATE", signCertificate(root, signerOf(privateKey)));
	return {
		rootPem,
		issue(uri) {
			const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
			const leafKey = publicKeyDer(pair.privateKey);
			const subjectKeyId = createHash("sha1").update(leafKey).digest();
			const leaf = { ...shared(), publicKey: leafKey, subjectKeyId, uri };
			return {
				chainPem: pemFromDer("CERTIFICATE", signCertificate(leaf, signerOf(privateKey))),
				keyPem: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
				rootPem,
			};
		},
	};
}
