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
	/** The issuer's subject, a DER Name, byte for byte. */
	readonly issuerName: Uint8Array;
	/** Absent for leaves: their name is the SAN alone. */
	readonly subjectName?: Uint8Array;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** SubjectPublicKeyInfo, DER. */
	readonly publicKey: Uint8Array;
	readonly subjectKeyId: Uint8Array;
	readonly authorityKeyId: Uint8Array;
	/** Present in certificates that sign others; `pathLength`: how many authorities may stand below it. */
	readonly authority?: { readonly pathLength?: number };
	/** Names of a leaf. A SPIFFE certificate has exactly one URI. */
	readonly uri?: string;
	readonly dnsNames?: readonly string[];
	/** 4 or 16 bytes each. */
	readonly ipAddresses?: readonly Uint8Array[];
}

export const ecdsaWithSha256 = derSequence(derObjectIdentifier("1.2.840.10045.4.3.2"));

/** A signed certificate, DER. */
export function signCertificate(fields: CertificateFields, signer: Signer): Uint8Array {
	const body = derSequence(
		derContext(0, derInteger(2)),
		derInteger(fields.serial),
		signer.algorithm,
		fields.issuerName,
		derSequence(derTime(fields.notBeforeMs), derTime(fields.notAfterMs)),
		fields.subjectName ?? derSequence(),
		fields.publicKey,
		derContext(3, derSequence(...extensionsOf(fields))),
	);
	return derSequence(body, signer.algorithm, derBitString(signer.sign(body)));
}

/** A Name of an organisation (the trust domain) and a common name, DER. */
export function distinguishedName(organisation: string, commonName?: string): Uint8Array {
	const attribute = (id: string, text: string): Uint8Array =>
		der(derTags.set, derSequence(derObjectIdentifier(id), derUtf8(text)));
	const names = [attribute("2.5.4.10", organisation)];
	return derSequence(...names, ...(commonName === undefined ? [] : [attribute("2.5.4.3", commonName)]));
}

const digitalSignatureAndKeyEncipherment = derBitString(Uint8Array.of(0b1010_0000), 5);
const certAndCrlSign = derBitString(Uint8Array.of(0b0000_0110), 1);
const serverAndClientAuth = derSequence(
	derObjectIdentifier("1.3.6.1.5.5.7.3.1"),
	derObjectIdentifier("1.3.6.1.5.5.7.3.2"),
);

function extensionsOf(fields: CertificateFields): readonly Uint8Array[] {
	const { authority } = fields;
	const limits = authority?.pathLength === undefined ? [] : [derInteger(authority.pathLength)];
	const shared = [
		critical("2.5.29.15", authority ? certAndCrlSign : digitalSignatureAndKeyEncipherment),
		critical("2.5.29.19", authority ? derSequence(derTrue(), ...limits) : derSequence()),
		extension("2.5.29.14", derOctetString(fields.subjectKeyId)),
		extension("2.5.29.35", derSequence(der(0x80, fields.authorityKeyId))),
	];
	if (authority) return shared;
	const text = (tag: number, value: string): Uint8Array => der(tag, new TextEncoder().encode(value));
	const names = [
		...(fields.uri === undefined ? [] : [text(0x86, fields.uri)]),
		...(fields.dnsNames ?? []).map((name) => text(0x82, name)),
		...(fields.ipAddresses ?? []).map((address) => der(0x87, address)),
	];
	// RFC 5280 4.2.1.6: with an empty subject the alternative name must be critical.
	return [...shared, extension("2.5.29.37", serverAndClientAuth), critical("2.5.29.17", derSequence(...names))];
}

const extension = (id: string, value: Uint8Array): Uint8Array =>
	derSequence(derObjectIdentifier(id), derOctetString(value));

const critical = (id: string, value: Uint8Array): Uint8Array =>
	derSequence(derObjectIdentifier(id), derTrue(), derOctetString(value));
