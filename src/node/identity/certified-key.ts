// A private key and the certificate chain that it got: made, checked, written as one PEM text and read back.

import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { publicKeyDer, signerOf } from "../../identity/authority/signing-key.ts";
import { type CertificateFacts, readCertificate } from "../../identity/certificate-reader.ts";
import { pemFromDer, signCertificateRequest } from "../../identity/certificate-request.ts";

export interface CertifiedKey {
	readonly keyPem: string;
	/** PEM, leaf first, without the root. */
	readonly chainPem: string;
	/** PEM of the root that the chain ends in. */
	readonly rootPem: string;
	/** The one URI of the leaf. */
	readonly uri: string;
	/** Lower-case hex. */
	readonly serial: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** Key id of the certificate that signed the leaf, lower-case hex. */
	readonly issuerKeyId: string;
}

/** PEM of a new P-256 key. */
export function newKey(): string {
	const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** PEM of a PKCS #10 request for a key. */
export function requestFor(keyPem: string): string {
	const key = createPrivateKey(keyPem);
	return pemFromDer("CERTIFICATE REQUEST", signCertificateRequest(publicKeyDer(key), signerOf(key)));
}

/** Throws, saying why, unless the chain (leaf first, root last) is whole and its leaf is for the key and for one URI. */
export function certifiedKey(keyPem: string, chain: readonly string[]): CertifiedKey {
	const certificates = chain.flatMap(certificatesIn).map((pem) => new X509Certificate(pem));
	const [leaf] = certificates;
	const root = certificates.at(-1);
	if (!leaf || !root || certificates.length < 2) throw new Error("the certificate comes without its chain");
	certificates.forEach((certificate, index) => {
		const issuer = certificates[index + 1] ?? root;
		if (!certificate.verify(issuer.publicKey))
			throw new Error(`certificate ${index + 1} of the chain is not signed by the next`);
	});
	if (!leaf.checkPrivateKey(createPrivateKey(keyPem))) throw new Error("the certificate is for another key");
	const facts = readFacts(leaf);
	const [uri] = facts.uris;
	if (uri === undefined || facts.uris.length !== 1) throw new Error("the certificate does not name one URI");
	return {
		keyPem,
		chainPem: certificates
			.slice(0, -1)
			.map((certificate) => certificate.toString())
			.join(""),
		rootPem: root.toString(),
		uri,
		serial: facts.serial,
		notBeforeMs: facts.notBeforeMs,
		notAfterMs: facts.notAfterMs,
		issuerKeyId: facts.authorityKeyId ?? "",
	};
}

/** One text: the key, the chain, the root. */
export function renderCertifiedKey(key: CertifiedKey): string {
	return key.keyPem + key.chainPem + key.rootPem;
}

/** Throws, saying why, on a text that `renderCertifiedKey` did not write whole. */
export function parseCertifiedKey(text: string): CertifiedKey {
	const keyPem = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n?/.exec(text)?.[0];
	if (!keyPem) throw new Error("it holds no private key");
	return certifiedKey(keyPem, certificatesIn(text));
}

/** Each certificate in a PEM text, PEM. */
export function certificatesIn(text: string): readonly string[] {
	return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? [];
}

function readFacts(certificate: X509Certificate): CertificateFacts {
	const facts = readCertificate(certificate.raw);
	if (!facts) throw new Error("the certificate is no X.509 version 3 certificate");
	return facts;
}
