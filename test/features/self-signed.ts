// A certificate for a DNS name that vouches for itself: server, client and root of TLS tests.

import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { ecdsaWithSha256 } from "../../src/identity/certificate.ts";
import { pemFromDer } from "../../src/identity/certificate-request.ts";
import {
	der,
	derBitString,
	derContext,
	derInteger,
	derObjectIdentifier,
	derOctetString,
	derSequence,
	derTime,
	derUtf8,
} from "../../src/identity/der.ts";

export interface KeyPair {
	readonly certificate: string;
	readonly key: string;
}

/** `name` may be a wildcard. Valid for an hour around now. */
export function selfSigned(name: string): KeyPair {
	const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const commonName = derSequence(der(0x31, derSequence(derObjectIdentifier("2.5.4.3"), derUtf8(name))));
	const alternativeName = derSequence(
		derObjectIdentifier("2.5.29.17"),
		derOctetString(derSequence(der(0x82, new TextEncoder().encode(name)))),
	);
	const nowMs = Date.now();
	const body = derSequence(
		derContext(0, derInteger(2)),
		derInteger(Uint8Array.from([1, ...randomBytes(8)])),
		ecdsaWithSha256,
		commonName,
		derSequence(derTime(nowMs - 1_800_000), derTime(nowMs + 1_800_000)),
		commonName,
		publicKey.export({ type: "spki", format: "der" }),
		derContext(3, derSequence(alternativeName)),
	);
	const certificate = derSequence(body, ecdsaWithSha256, derBitString(sign("sha256", body, privateKey)));
	return {
		certificate: pemFromDer("CERTIFICATE", certificate),
		key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
	};
}
