// For tests: certificate requests.

import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { pemFromDer, signCertificateRequest } from "../certificate-request.ts";
import { publicKeyDer, signerOf } from "./signing-key.ts";

/** PEM of a request for the key, signed by it or by `signedBy`. */
export function requestFor(
	key: KeyObject = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
	signedBy = key,
): string {
	return pemFromDer("CERTIFICATE REQUEST", signCertificateRequest(publicKeyDer(key), signerOf(signedBy)));
}
