// The changes that a self-made authority can go through, each a new version of its manifest. In: the store as it is on disk.
// A change that another replica got ahead of is tried again on what that one left.

import { type AuthorityCertificate, authorityCertificate } from "./authority-state.ts";
import type { AuthorityManifest, AuthorityStore, NewKey } from "./authority-store.ts";
import { newIssuer, newRoot } from "./new-certificates.ts";
import { type AuthorityKeyType, newAuthorityKey } from "./signing-key.ts";

export interface StageOptions {
	readonly trustDomain: string;
	readonly nowMs: number;
	readonly keyType: AuthorityKeyType;
}

/** The step makes no sense as things are; the message is for the operator. */
export class AuthorityError extends Error {}

interface Edit<Result> {
	readonly manifest: AuthorityManifest;
	readonly keys: readonly NewKey[];
	readonly result: Result;
}

const attempts = 10;

/** The first root and issuer; where another replica made them meanwhile, those stay. */
export function makeFirst(store: AuthorityStore, options: StageOptions): void {
	const { root, issuer, keys } = makePair(options);
	const manifest: AuthorityManifest = {
		format: 1,
		trustDomain: options.trustDomain,
		signing: issuer.keyId,
		activeRoot: root.fingerprint,
		roots: [root.pem],
		issuers: [{ certificate: issuer.pem, root: root.fingerprint }],
	};
	store.commit(1, manifest, keys);
}

export function addRoot(store: AuthorityStore, options: StageOptions) {
	return edit(store, (manifest) => {
		const { root, issuer, keys } = makePair(options);
		return {
			manifest: {
				...manifest,
				activeRoot: root.fingerprint,
				roots: [...manifest.roots, root.pem],
				issuers: [...manifest.issuers, { certificate: issuer.pem, root: root.fingerprint }],
			},
			keys,
			result: { fingerprint: root.fingerprint, issuerKeyId: issuer.keyId },
		};
	});
}

export function addIssuer(store: AuthorityStore, options: StageOptions) {
	return edit(store, (manifest) => {
		const root = rootsOf(manifest).find(({ fingerprint }) => fingerprint === manifest.activeRoot);
		if (!root) throw new AuthorityError("there is no active root");
		if (root.facts.notAfterMs <= options.nowMs)
			throw new AuthorityError("the active root has expired: a new root is needed, not a new issuer");
		const key = newAuthorityKey(options.keyType);
		const issuer = newIssuer(key, root, store.readKey(root.keyId), options.trustDomain, options.nowMs);
		return {
			manifest: {
				...manifest,
				issuers: [...manifest.issuers, { certificate: issuer.pem, root: root.fingerprint }],
			},
			keys: [{ keyId: issuer.keyId, key }],
			result: { issuerKeyId: issuer.keyId },
		};
	});
}

export function signWith(store: AuthorityStore, issuerKeyId: string): void {
	edit(store, (manifest) => {
		if (!keyIdsOf(manifest).includes(issuerKeyId)) throw new AuthorityError(`there is no issuer ${issuerKeyId}`);
		return { manifest: { ...manifest, signing: issuerKeyId }, keys: [], result: undefined };
	});
}

export function dropRoot(store: AuthorityStore, fingerprint: string): void {
	edit(store, (manifest) => {
		const roots = rootsOf(manifest);
		if (!roots.some((root) => root.fingerprint === fingerprint))
			throw new AuthorityError(`there is no root ${fingerprint}`);
		const issuers = manifest.issuers.filter(({ root }) => root !== fingerprint);
		const left = roots.filter((root) => root.fingerprint !== fingerprint);
		if (!keyIdsOf({ ...manifest, issuers }).includes(manifest.signing))
			throw new AuthorityError(`an issuer under root ${fingerprint} signs now: sign with another one first`);
		const signingRoot = issuers.find(({ certificate }) => keyIdOfPem(certificate) === manifest.signing)?.root;
		const activeRoot = manifest.activeRoot === fingerprint ? (signingRoot ?? "") : manifest.activeRoot;
		const next = { ...manifest, activeRoot, roots: left.map(({ pem }) => pem), issuers };
		return { manifest: next, keys: [], result: undefined };
	});
}

export function dropIssuer(store: AuthorityStore, keyId: string): void {
	edit(store, (manifest) => {
		if (!keyIdsOf(manifest).includes(keyId)) throw new AuthorityError(`there is no issuer ${keyId}`);
		if (manifest.signing === keyId) throw new AuthorityError(`issuer ${keyId} signs now: sign with another one first`);
		const issuers = manifest.issuers.filter(({ certificate }) => keyIdOfPem(certificate) !== keyId);
		return { manifest: { ...manifest, issuers }, keys: [], result: undefined };
	});
}

function edit<Result>(store: AuthorityStore, make: (manifest: AuthorityManifest) => Edit<Result>): Result {
	for (let attempt = 0; attempt < attempts; attempt++) {
		const version = store.latestVersion();
		const { manifest, keys, result } = make(store.readManifest(version));
		if (store.commit(version + 1, manifest, keys)) return result;
	}
	throw new AuthorityError(`other replicas change ${store.directory} all the time: try again`);
}

function makePair(options: StageOptions) {
	const { keyType, nowMs, trustDomain } = options;
	const rootKey = newAuthorityKey(keyType);
	const issuerKey = newAuthorityKey(keyType);
	const root = newRoot(rootKey, trustDomain, nowMs);
	const issuer = newIssuer(issuerKey, root, rootKey, trustDomain, nowMs);
	const keys: readonly NewKey[] = [
		{ keyId: root.keyId, key: rootKey },
		{ keyId: issuer.keyId, key: issuerKey },
	];
	return { root, issuer, keys };
}

const rootsOf = (manifest: AuthorityManifest): readonly AuthorityCertificate[] =>
	manifest.roots.map((pem) => authorityCertificate(pem, "the manifest"));

const keyIdOfPem = (pem: string): string => authorityCertificate(pem, "the manifest").keyId;

const keyIdsOf = (manifest: AuthorityManifest): readonly string[] =>
	manifest.issuers.map(({ certificate }) => keyIdOfPem(certificate));
