// A certificate revocation list (RFC 5280, section 5): DER in, what it says out. Its signature is still to be verified.

import { hexOf, readTime } from "./certificate-reader.ts";
import { type DerItem, derTags, readDer } from "./der.ts";

export interface RevocationList {
	/** DER Name of the authority that made it, byte for byte. */
	readonly issuerName: Uint8Array;
	/** The bytes that were signed. */
	readonly signed: Uint8Array;
	readonly signature: Uint8Array;
	/** Object identifier of the signature's algorithm, its content bytes. */
	readonly algorithm: Uint8Array;
	readonly thisUpdateMs: number;
	readonly nextUpdateMs: number | undefined;
	/** It has extensions that a reader must understand: it is a part of a list, a change of one, or for others' certificates. */
	readonly isSpecial: boolean;
	/** Serial numbers, lower-case hex. */
	readonly serials: ReadonlySet<string>;
}

/** Undefined for bytes that are no revocation list. */
export function readRevocationList(bytes: Uint8Array): RevocationList | undefined {
	try {
		const [outer] = readDer(bytes);
		const [body, algorithm, signature] = readDer(need(outer).content);
		const fields = readDer(need(body).content);
		// The version is optional, and an INTEGER; everything after it stands in order.
		const [, issuer, thisUpdate, ...rest] = fields[0]?.tag === derTags.integer ? fields.slice(1) : fields;
		const next = rest[0]?.tag === derTags.utcTime || rest[0]?.tag === derTags.generalizedTime ? rest[0] : undefined;
		const revoked = rest.find(({ tag }) => tag === derTags.sequence);
		const entries = revoked ? readDer(revoked.content) : [];
		return {
			issuerName: need(issuer).raw,
			signed: need(body).raw,
			signature: need(signature, derTags.bitString).content.subarray(1),
			algorithm: need(readDer(need(algorithm).content)[0], derTags.objectIdentifier).content,
			thisUpdateMs: readTime(thisUpdate),
			nextUpdateMs: next && readTime(next),
			isSpecial: [...entries, ...rest.filter(({ tag }) => tag === 0xa0)].some(hasCritical),
			serials: new Set(entries.map(({ content }) => serialHex(need(readDer(content)[0], derTags.integer)))),
		};
	} catch (error) {
		if (error instanceof RangeError) return undefined;
		throw error;
	}
}

/** Whether an `Extension` that says `critical` lies anywhere inside. */
function hasCritical({ tag, content }: DerItem): boolean {
	if (tag !== derTags.sequence && tag !== 0xa0) return false;
	const [first, second] = readDer(content);
	if (first?.tag === derTags.objectIdentifier)
		return second?.tag === derTags.boolean && second.content.some((byte) => byte !== 0);
	return readDer(content).some(hasCritical);
}

const serialHex = ({ content }: DerItem): string => hexOf(content).replace(/^(?:00)+(?=..)/, "");

function need(item: DerItem | undefined, tag: number = derTags.sequence): DerItem {
	if (item?.tag !== tag) throw new RangeError("not the structure of a revocation list");
	return item;
}
