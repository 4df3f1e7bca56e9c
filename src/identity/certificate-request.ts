// PKCS #10 certificate requests (RFC 2986): making one, and taking one apart. Only the public key of a request is ever used:
// the names in a certificate come from who asked, never from what was asked for.

import type { Signer } from "./certificate.ts";
import { derBitString, derContext, derInteger, derSequence, derTags, readDer } from "./der.ts";

/** A signed request with an empty subject and no attributes, DER. */
export function signCertificateRequest(publicKey: Uint8Array, signer: Signer): Uint8Array {
	const body = derSequence(derInteger(0), derSequence(), publicKey, derContext(0));
	return derSequence(body, signer.algorithm, derBitString(signer.sign(body)));
}

export interface CertificateRequest {
	/** SubjectPublicKeyInfo, DER. */
	readonly publicKey: Uint8Array;
	/** The bytes that were signed. */
	readonly signed: Uint8Array;
	readonly signature: Uint8Array;
	/** Object identifier of the signature's algorithm, its content bytes. */
	readonly algorithm: Uint8Array;
}

export type ParsedCertificateRequest =
	| { readonly ok: true; readonly request: CertificateRequest }
	| { readonly ok: false; readonly because: string };

/** The parts of a request; its signature is still to be verified with its own key. */
export function parseCertificateRequest(bytes: Uint8Array): ParsedCertificateRequest {
	try {
		const [outer, ...rest] = readDer(bytes);
		if (outer?.tag !== derTags.sequence || rest.length > 0) return { ok: false, because: "not one DER sequence" };
		const [info, algorithm, signature] = readDer(outer.content);
		const [, , publicKey] = readDer(info?.content ?? new Uint8Array());
		if (!info || publicKey?.tag !== derTags.sequence || signature?.tag !== derTags.bitString)
			return { ok: false, because: "not a PKCS #10 request" };
		return {
			ok: true,
			request: {
				publicKey: publicKey.raw,
				signed: info.raw,
				signature: signature.content.subarray(1),
				algorithm: readDer(algorithm?.content ?? new Uint8Array())[0]?.content ?? new Uint8Array(),
			},
		};
	} catch (error) {
		return { ok: false, because: error instanceof RangeError ? error.message : String(error) };
	}
}

export function pemFromDer(label: string, bytes: Uint8Array): string {
	const lines = base64(bytes).replace(/.{64}/g, "$&\n").trimEnd();
	return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

/** The first block with that label, or undefined. */
export function derFromPem(label: string, text: string): Uint8Array | undefined {
	const found = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`).exec(text);
	if (!found?.[1]) return undefined;
	try {
		return Uint8Array.from(atob(found[1].replace(/\s/g, "")), (char) => char.charCodeAt(0));
	} catch {
		return undefined;
	}
}

function base64(bytes: Uint8Array): string {
	const chunks: string[] = [];
	for (let at = 0; at < bytes.length; at += 8192) chunks.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
	return btoa(chunks.join(""));
}
