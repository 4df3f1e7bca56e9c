// A leaf from the issuer that signs now. In: the authority's state, a key and the identity that its holder has proved. Out: the
// chain, or why not.

import { signCertificate } from "../certificate.ts";
import { hexOf } from "../certificate-reader.ts";
import { pemFromDer } from "../certificate-request.ts";
import { type Identity, renderIdentity } from "../spiffe-id.ts";
import type { AuthorityCertificate, AuthorityState, Issuer } from "./authority-state.ts";
import type { RequestRefusal } from "./check-request.ts";
import { backdateMs, newSerial } from "./new-certificates.ts";
import { keyIdOf, signerOf } from "./signing-key.ts";

export interface SignOptions {
	/** Wanted life; 0 or absent leaves it to the authority. */
	readonly validitySeconds?: number;
	/** Beside the identity, for the mesh's own servers. */
	readonly dnsNames?: readonly string[];
	readonly ipAddresses?: readonly Uint8Array[];
}

export interface SignedLeaf {
	readonly ok: true;
	/** PEM: leaf, issuer, what stands between it and the root, the root last. */
	readonly chain: readonly string[];
	/** Lower-case hex. */
	readonly serial: string;
	readonly issuerKeyId: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
}

export type SignOutcome =
	| SignedLeaf
	| {
			readonly ok: false;
			readonly reason: RequestRefusal | "validity_too_long" | "issuer_expired";
			readonly because: string;
	  };

export interface SignLimits {
	readonly nowMs: number;
	/** When the caller wishes no life. */
	readonly leafTtlMs: number;
	/** Wishes above it are refused. */
	readonly maxLeafTtlMs: number;
}

/** The leaf never outlives its issuer. */
export function signLeaf(
	state: AuthorityState,
	publicKey: Uint8Array,
	identity: Identity,
	options: SignOptions,
	{ leafTtlMs, maxLeafTtlMs, nowMs }: SignLimits,
): SignOutcome {
	const { signing } = state;
	const root = rootOver(signing, state);
	const wantedMs = (options.validitySeconds ?? 0) * 1000;
	if (wantedMs > maxLeafTtlMs || wantedMs < 0) {
		const because = `a validity of ${options.validitySeconds} s was asked for; at most ${maxLeafTtlMs / 1000} s are given`;
		return { ok: false, reason: "validity_too_long", because };
	}
	const expired = [signing, root].find(({ facts }) => facts.notAfterMs <= nowMs);
	if (expired) {
		const because = `the authority's own certificate expired at ${new Date(expired.facts.notAfterMs).toISOString()}`;
		return { ok: false, reason: "issuer_expired", because };
	}
	const ttlMs = wantedMs || Math.min(leafTtlMs, maxLeafTtlMs);
	const notBeforeMs = Math.max(nowMs - backdateMs, signing.facts.notBeforeMs);
	const notAfterMs = Math.min(nowMs + ttlMs, signing.facts.notAfterMs);
	const serial = newSerial();
	const leaf = signCertificate(
		{
			serial,
			issuerName: signing.facts.subjectName,
			notBeforeMs,
			notAfterMs,
			publicKey,
			subjectKeyId: keyIdOf(publicKey),
			authorityKeyId: Buffer.from(signing.keyId, "hex"),
			uri: renderIdentity(identity),
			...(options.dnsNames ? { dnsNames: options.dnsNames } : {}),
			...(options.ipAddresses ? { ipAddresses: options.ipAddresses } : {}),
		},
		signerOf(signing.key),
	);
	const issuers = signing.fingerprint === signing.root ? [] : [signing.pem, ...signing.intermediates];
	return {
		ok: true,
		chain: [pemFromDer("CERTIFICATE", leaf), ...issuers, root.pem],
		serial: hexOf(serial),
		issuerKeyId: signing.keyId,
		notBeforeMs,
		notAfterMs,
	};
}

export function rootOver(issuer: Issuer, { roots }: AuthorityState): AuthorityCertificate {
	const root = roots.find(({ fingerprint }) => fingerprint === issuer.root);
	if (!root) throw new Error("an issuer's root is not among the roots");
	return root;
}
