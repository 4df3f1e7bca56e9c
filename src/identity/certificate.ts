// The certificate profile (RFC 5280, SPIFFE X.509-SVID): what is signed, as DER. Keys and signing come in as functions.

import {
	der,
	derBitString,
	derContext,
	derInteger,
	derObjectIdentifier,
	derOctetString,
	derSequence,
	derTags,
	derTime,
	derTrue,
	derUtf8,
} from "./der.ts";

export interface Signer {
	/** AlgorithmIdentifier of the signatures that `sign` makes, DER. */
	readonly algorithm: Uint8Array;
	readonly sign: (bytes: Uint8Array) => Uint8Array;
}

export interface CertificateFields {
	/** 1 to 20 bytes, positive. */
	readonly serial: Uint8Array;
	/** Organisation in the issuer's name. */
	readonly issuerOrganisation: string;
	/** Absent for leaves: their name is the SAN alone. */
	readonly subjectOrganisation?: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** SubjectPublicKeyInfo, DER. */
	readonly publicKey: Uint8Array;
	readonly subjectKeyId: Uint8Array;
	readonly authorityKeyId: Uint8Array;
	readonly isAuthority: boolean;
	/** The one URI name of a leaf. */
	readonly uri?: string;
}

export const ecdsaWithSha256 = derSequence(derObjectIdentifier("1.2.840.10045.4.3.2"));

/** A signed certificate, DER. */
export function signCertificate(fields: CertificateFields, signer: Signer): Uint8Array {
	const body = derSequence(
		derContext(0, derInteger(2)),
		derInteger(fields.serial),
		signer.algorithm,
		nameOf(fields.issuerOrganisation),
		derSequence(derTime(fields.notBeforeMs), derTime(fields.notAfterMs)),
		fields.subjectOrganisation ? nameOf(fields.subjectOrganisation) : derSequence(),
		fields.publicKey,
		derContext(3, derSequence(...extensionsOf(fields))),
	);
	return derSequence(body, signer.algorithm, derBitString(signer.sign(body)));
}

function extensionsOf(fields: CertificateFields): readonly Uint8Array[] {
	const digitalSignatureAndKeyEncipherment = derBitString(Uint8Array.of(0b1010_0000), 5);
	const certAndCrlSign = derBitString(Uint8Array.of(0b0000_0110), 1);
	const shared = [
		critical("2.5.29.15", fields.isAuthority ? certAndCrlSign : digitalSignatureAndKeyEncipherment),
		critical("2.5.29.19", fields.isAuthority ? derSequence(derTrue()) : derSequence()),
		extension("2.5.29.14", derOctetString(fields.subjectKeyId)),
		extension("2.5.29.35", derSequence(der(0x80, fields.authorityKeyId))),
	];
	if (fields.isAuthority || !fields.uri) return shared;
	const serverAndClientAuth = derSequence(
		derObjectIdentifier("1.3.6.1.5.5.7.3.1"),
		derObjectIdentifier("1.3.6.1.5.5.7.3.2"),
	);
	// RFC 5280 4.2.1.6: with an empty subject the alternative name must be critical.
	const uriName = derSequence(der(0x86, new TextEncoder().encode(fields.uri)));
	return [...shared, extension("2.5.29.37", serverAndClientAuth), critical("2.5.29.17", uriName)];
}

function nameOf(organisation: string): Uint8Array {
	return derSequence(der(derTags.set, derSequence(derObjectIdentifier("2.5.4.10"), derUtf8(organisation))));
}

const extension = (id: string, value: Uint8Array): Uint8Array =>
	derSequence(derObjectIdentifier(id), derOctetString(value));

const critical = (id: string, value: Uint8Array): Uint8Array =>
	derSequence(derObjectIdentifier(id), derTrue(), derOctetString(value));
