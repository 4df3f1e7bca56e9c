// What a certificate says (RFC 5280), as far as an authority and its callers need it. In: DER. Out: facts; nothing here
// verifies a signature.

import { type DerItem, derTags, readDer } from "./der.ts";

export interface CertificateFacts {
	/** Lower-case hex. */
	readonly serial: string;
	/** DER Names, byte for byte. */
	readonly issuerName: Uint8Array;
	readonly subjectName: Uint8Array;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** SubjectPublicKeyInfo, DER. */
	readonly publicKey: Uint8Array;
	/** Lower-case hex. */
	readonly subjectKeyId: string | undefined;
	readonly authorityKeyId: string | undefined;
	readonly isAuthority: boolean;
	/** How many authorities may stand below this one. */
	readonly pathLength: number | undefined;
	/** Its key usage lets it sign certificates; true when it has no such extension. */
	readonly maySignCertificates: boolean;
	/** The same for revocation lists. */
	readonly maySignRevocationLists: boolean;
	/** URIs of the subject alternative name. */
	readonly uris: readonly string[];
	readonly dnsNames: readonly string[];
}

/** Undefined for bytes that are no X.509 version 3 certificate. */
export function readCertificate(bytes: Uint8Array): CertificateFacts | undefined {
	try {
		const [outer] = readDer(bytes);
		const [body] = readDer(need(outer, derTags.sequence).content);
		const [version, serial, , issuer, validity, subject, publicKey, ...optional] = readDer(
			need(body, derTags.sequence).content,
		);
		need(version, 0xa0);
		const [notBefore, notAfter] = readDer(need(validity, derTags.sequence).content);
		const extensions = readExtensions(optional.find(({ tag }) => tag === 0xa3));
		const usage = extensions.get("551d0f");
		const may = (bit: number): boolean => usage === undefined || ((readDer(usage)[0]?.content[1] ?? 0) & bit) !== 0;
		const names = readNames(extensions.get("551d11"));
		return {
			serial: hexOf(need(serial, derTags.integer).content).replace(/^(?:00)+(?=..)/, ""),
			issuerName: need(issuer, derTags.sequence).raw,
			subjectName: need(subject, derTags.sequence).raw,
			notBeforeMs: readTime(notBefore),
			notAfterMs: readTime(notAfter),
			publicKey: need(publicKey, derTags.sequence).raw,
			subjectKeyId: optionalHex(extensions.get("551d0e"), derTags.octetString),
			authorityKeyId: authorityKeyIdIn(extensions.get("551d23")),
			...readConstraints(extensions.get("551d13")),
			maySignCertificates: may(0b100),
			maySignRevocationLists: may(0b10),
			uris: names.filter(({ tag }) => tag === 0x86).map(textOf),
			dnsNames: names.filter(({ tag }) => tag === 0x82).map(textOf),
		};
	} catch (error) {
		if (error instanceof RangeError) return undefined;
		throw error;
	}
}

/** Milliseconds since the epoch of a UTCTime or GeneralizedTime in the form that RFC 5280 allows; else throws a RangeError. */
export function readTime(item: DerItem | undefined): number {
	const text = item ? textOf(item) : "";
	const parts = /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
	if (!parts || (parts[1]?.length === 2) !== (item?.tag === derTags.utcTime)) throw new RangeError("no time");
	const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1).map(Number);
	const century = parts[1]?.length === 2 ? (year < 50 ? 2000 : 1900) : 0;
	return Date.UTC(century + year, month - 1, day, hour, minute, second);
}

export function hexOf(bytes: Uint8Array): string {
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function need(item: DerItem | undefined, tag: number): DerItem {
	if (item?.tag !== tag) throw new RangeError("not the structure of a certificate");
	return item;
}

const textOf = (item: DerItem): string => new TextDecoder().decode(item.content);

/** By hex of the object identifier's content. */
function readExtensions(item: DerItem | undefined): ReadonlyMap<string, Uint8Array> {
	const list = item && readDer(item.content)[0];
	if (!list) return new Map();
	return new Map(
		readDer(list.content).map((extension) => {
			const parts = readDer(extension.content);
			const value = need(parts.at(-1), derTags.octetString);
			return [hexOf(need(parts[0], derTags.objectIdentifier).content), value.content] as const;
		}),
	);
}

function readNames(extension: Uint8Array | undefined): readonly DerItem[] {
	return extension ? readDer(need(readDer(extension)[0], derTags.sequence).content) : [];
}

function optionalHex(extension: Uint8Array | undefined, tag: number): string | undefined {
	return extension && hexOf(need(readDer(extension)[0], tag).content);
}

function authorityKeyIdIn(extension: Uint8Array | undefined): string | undefined {
	const keyId = readNames(extension).find(({ tag }) => tag === 0x80);
	return keyId && hexOf(keyId.content);
}

function readConstraints(extension: Uint8Array | undefined): Pick<CertificateFacts, "isAuthority" | "pathLength"> {
	const parts = readNames(extension);
	const isAuthority = parts[0]?.tag === derTags.boolean && parts[0].content[0] !== 0;
	const limit = parts.find(({ tag }) => tag === derTags.integer);
	return { isAuthority, pathLength: isAuthority && limit ? Number.parseInt(hexOf(limit.content), 16) : undefined };
}
