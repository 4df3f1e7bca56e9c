// The way out of an expired root or issuer: each is signed again with its own key, for another full life. Because keys stay,
// what pins them (the root's hash in join tokens) still fits, and certificates that have not expired are good again as soon
// as their holders trust the new edition.

import { type AuthorityCertificate, authorityCertificate } from "./authority-state.ts";
import type { AuthorityManifest, AuthorityStore } from "./authority-store.ts";
import { newIssuer, newRoot } from "./new-certificates.ts";

export interface Recovery {
	readonly roots: readonly Renewed[];
	readonly issuers: readonly Renewed[];
}

export interface Renewed {
	readonly keyId: string;
	readonly before: AuthorityCertificate;
	readonly after: AuthorityCertificate;
}

/** Undefined when other replicas change the authority all the time. Throws when a key is missing or cannot be opened. */
export function recoverRoot(store: AuthorityStore, trustDomain: string, nowMs: number): Recovery | undefined {
	for (let attempt = 0; attempt < 10; attempt++) {
		const version = store.latestVersion();
		const manifest = store.readManifest(version);
		const roots = manifest.roots.map((pem): Renewed => {
			const before = authorityCertificate(pem, "the authority's directory");
			return { keyId: before.keyId, before, after: newRoot(store.readKey(before.keyId), trustDomain, nowMs) };
		});
		const issuers = manifest.issuers.map(({ certificate, root: rootFingerprint }): Renewed => {
			const before = authorityCertificate(certificate, "the authority's directory");
			const root = roots.find((one) => one.before.fingerprint === rootFingerprint);
			if (!root) throw new Error(`issuer ${before.keyId} stands under a root that is not there`);
			const rootKey = store.readKey(root.keyId);
			const after = newIssuer(store.readKey(before.keyId), root.after, rootKey, trustDomain, nowMs);
			return { keyId: before.keyId, before, after };
		});
		if (store.commit(version + 1, renewed(manifest, roots, issuers), [])) return { roots, issuers };
	}
	return undefined;
}

function renewed(
	manifest: AuthorityManifest,
	roots: readonly Renewed[],
	issuers: readonly Renewed[],
): AuthorityManifest {
	const fingerprints = new Map(roots.map(({ before, after }) => [before.fingerprint, after.fingerprint]));
	const now = (fingerprint: string): string => fingerprints.get(fingerprint) ?? fingerprint;
	return {
		...manifest,
		activeRoot: now(manifest.activeRoot),
		roots: roots.map(({ after }) => after.pem),
		issuers: issuers.map(({ after }, index) => ({
			certificate: after.pem,
			root: now(manifest.issuers[index]?.root ?? ""),
		})),
	};
}
