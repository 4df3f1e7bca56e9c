// A private key of node:crypto as what certificates need of it.

import { createPublicKey, type KeyObject, sign } from "node:crypto";
import { ecdsaWithSha256, type Signer } from "../certificate.ts";

/** For EC keys on P-256. */
export function signerOf(key: KeyObject): Signer {
	return { algorithm: ecdsaWithSha256, sign: (bytes) => sign("sha256", bytes, key) };
}

export function publicKeyDer(key: KeyObject): Uint8Array {
	return createPublicKey(key.export({ type: "pkcs8", format: "pem" })).export({ type: "spki", format: "der" });
}
