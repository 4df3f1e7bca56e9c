// What the mesh trusts at this moment, as each proxy's node gets it over xDS: the roots to verify with, and the issuer that
// the workload's own certificate should come from. A proxy has acknowledged a bundle when its Envoy has confirmed the roots
// and a certificate of that issuer; only then may the next stage of a rotation begin.

export interface TrustBundle {
	readonly trustDomain: string;
	/** PEM, one certificate each, sorted by fingerprint. */
	readonly roots: readonly string[];
	/** Subject key id, lower-case hex, of the certificate that signs leaves now. Leaves of another issuer are to be renewed. */
	readonly issuerKeyId: string;
	/**
	 * Stage of a rotation, growing; absent before the first one. It makes each stage's bundle another one, so that a
	 * confirmation always belongs to one stage; for the proxy it means nothing.
	 */
	readonly epoch?: number;
	/** PEM, one list each, sorted: certificates that the mesh no longer takes. Absent when there are none. */
	readonly revocationLists?: readonly string[];
}

export const trustBundleTypeUrl = "type.googleapis.com/keepmesh.identity.v1.TrustBundle";
/** The one resource of that type. */
export const trustBundleName = "mesh";

/** Fields: 1 trust_domain, 2 roots (repeated), 3 issuer_key_id, 4 epoch (decimal), 5 revocation_lists (repeated); all strings. */
export function encodeTrustBundle(bundle: TrustBundle): Uint8Array {
	return Uint8Array.from([
		...textField(1, bundle.trustDomain),
		...bundle.roots.flatMap((root) => [...textField(2, root)]),
		...textField(3, bundle.issuerKeyId),
		...(bundle.epoch === undefined ? [] : textField(4, String(bundle.epoch))),
		...(bundle.revocationLists ?? []).flatMap((list) => [...textField(5, list)]),
	]);
}

/** Undefined for bytes that are no trust bundle. Unknown fields of length-delimited type are passed over. */
export function decodeTrustBundle(bytes: Uint8Array): TrustBundle | undefined {
	const texts: Record<number, string[]> = { 1: [], 2: [], 3: [], 4: [], 5: [] };
	let at = 0;
	while (at < bytes.length) {
		const tag = varint(bytes, at);
		const length = tag && varint(bytes, tag.next);
		if (!tag || !length || (tag.value & 7) !== 2 || length.next + length.value > bytes.length) return undefined;
		at = length.next + length.value;
		texts[tag.value >>> 3]?.push(new TextDecoder().decode(bytes.subarray(length.next, at)));
	}
	const trustDomain = texts[1]?.at(-1);
	const issuerKeyId = texts[3]?.at(-1);
	if (!trustDomain || !issuerKeyId || !texts[2]?.length) return undefined;
	const epoch = texts[4]?.at(-1);
	return {
		trustDomain,
		roots: texts[2],
		issuerKeyId,
		...(epoch === undefined ? {} : { epoch: Number(epoch) }),
		...(texts[5]?.length ? { revocationLists: texts[5] } : {}),
	};
}

function textField(number: number, text: string): Uint8Array {
	const content = new TextEncoder().encode(text);
	const length: number[] = [];
	for (let rest = content.length; ; rest >>>= 7) {
		length.push(rest > 127 ? (rest & 127) | 128 : rest);
		if (rest <= 127) break;
	}
	return Uint8Array.from([(number << 3) | 2, ...length, ...content]);
}

function varint(bytes: Uint8Array, start: number): { readonly value: number; readonly next: number } | undefined {
	let value = 0;
	for (let at = start, shift = 0; at < bytes.length && shift < 28; at++, shift += 7) {
		const byte = bytes[at] ?? 0;
		value |= (byte & 127) << shift;
		if (byte < 128) return { value, next: at + 1 };
	}
	return undefined;
}
