// Revocation lists (RFC 5280, section 5) for tests: what is to be in one, signed, as PEM.

import type { Signer } from "./certificate.ts";
import { pemFromDer } from "./certificate-request.ts";
import {
	der,
	derBitString,
	derContext,
	derInteger,
	derObjectIdentifier,
	derOctetString,
	derSequence,
	derTime,
} from "./der.ts";

export interface RevocationListFields {
	readonly issuerName: Uint8Array;
	readonly authorityKeyId: Uint8Array;
	readonly serials: readonly Uint8Array[];
	/** Default: an hour before the next update. */
	readonly thisUpdateMs?: number;
	readonly nextUpdateMs: number;
}

export function revocationListPem(fields: RevocationListFields, signer: Signer): string {
	const { issuerName, authorityKeyId, serials, nextUpdateMs } = fields;
	const { thisUpdateMs = nextUpdateMs - 3_600_000 } = fields;
	const extension = (id: string, value: Uint8Array) => derSequence(derObjectIdentifier(id), derOctetString(value));
	const entries = serials.map((serial) => derSequence(derInteger(serial), derTime(thisUpdateMs)));
	const body = derSequence(
		derInteger(1),
		signer.algorithm,
		issuerName,
		derTime(thisUpdateMs),
		derTime(nextUpdateMs),
		...(entries.length > 0 ? [derSequence(...entries)] : []),
		derContext(
			0,
			derSequence(
				extension("2.5.29.35", derSequence(der(0x80, authorityKeyId))),
				extension("2.5.29.20", derInteger(1)),
			),
		),
	);
	return pemFromDer("X509 CRL", derSequence(body, signer.algorithm, derBitString(signer.sign(body))));
}
