// The certificate authority of a mesh: root -> issuer -> leaf, kept in a directory that replicas share, or plugged in by the
// operator. In: certificate requests of proved callers, and changes of the directory. Out: leaves, and what the mesh is to
// trust. Its interface, for rotation and all others:
//   bundle()            what every proxy is to trust and which issuer its leaf should come from
//   roots(), issuers()  what there is, as values for status and planning
//   onChange(run)       after every change of these, whoever made it; within about a second for another replica's
//   sign(...)           a leaf
//   addRoot() addIssuer() signWith() dropRoot() dropIssuer()   one stage of a rotation each, durable and for all replicas
// The five throw an AuthorityError with a sentence for the operator when the step makes no sense or the authority is plugged in.

import type { Cancel, Clock } from "../../runtime/clock.ts";
import { makePrivateDirectory } from "../../runtime/durable-file.ts";
import type { CertificateFacts } from "../certificate-reader.ts";
import type { Identity } from "../spiffe-id.ts";
import type { TrustBundle } from "../trust-bundle.ts";
import type { AuthorityState } from "./authority-state.ts";
import { rootHashOf } from "./authority-state.ts";
import { AuthorityStore } from "./authority-store.ts";
import { checkRequest } from "./check-request.ts";
import { followFiles } from "./follow-files.ts";
import { dayMs } from "./new-certificates.ts";
import { hashOfFiles, loadPlugIn, plugInFiles } from "./plug-in-files.ts";
import type { EnvoyLists } from "./revocations.ts";
import * as stages from "./rotation-stages.ts";
import { rootOver, type SignOptions, type SignOutcome, signLeaf } from "./sign-leaf.ts";
import type { AuthorityKeyType } from "./signing-key.ts";

export interface AuthorityOptions {
	/** Everything that the authority keeps, join tokens included; made at the first start, shared by replicas. */
	readonly directory: string;
	/** Files of a plugged-in authority. Default: `directory`, where it has such files and nothing self-made. */
	readonly plugInDirectory?: string;
	readonly trustDomain: string;
	/** Life of a leaf when the caller wishes none; default 24 h, Istio's. */
	readonly leafTtlMs?: number;
	/** Wishes above it are refused; default 90 days, Istio's. */
	readonly maxLeafTtlMs?: number;
	/** Of self-made roots and issuers. Default ECDSA on P-256. */
	readonly keyType?: AuthorityKeyType;
	/** Opens and encrypts the private keys. */
	readonly passphrase?: string;
	readonly wallMs: () => number;
	/** With it the authority follows changes of its files until `close`; without, only `refresh` does. */
	readonly clock?: Clock;
	/** A change of the files could not be taken over; the state before stays. Undefined: it is good again. */
	readonly onProblem?: (because: string | undefined) => void;
}

export interface RootStatus {
	/** SHA-256 of the certificate, lower-case hex. */
	readonly fingerprint: string;
	/** Subject key id, lower-case hex. */
	readonly keyId: string;
	readonly certificatePem: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** New issuers come from this root. */
	readonly isActive: boolean;
}

export interface IssuerStatus {
	readonly keyId: string;
	/** Fingerprint of its root. */
	readonly root: string;
	readonly certificatePem: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	readonly isSigning: boolean;
}

export class Authority {
	readonly #options: AuthorityOptions;
	readonly #store: AuthorityStore;
	readonly #listeners = new Set<() => void>();
	readonly #plugIn: string | undefined;
	#state: AuthorityState;
	#problem: string | undefined;
	#unfollow: Cancel = () => {};

	constructor(options: AuthorityOptions) {
		this.#options = options;
		makePrivateDirectory(options.directory);
		this.#store = new AuthorityStore(options.directory, options.passphrase);
		const isSelfMade = this.#store.latestVersion() > 0;
		const here = plugInFiles(options.directory) && !isSelfMade ? options.directory : undefined;
		this.#plugIn = options.plugInDirectory ?? here;
		if (this.#plugIn === undefined) {
			this.#store.prepare();
			if (!isSelfMade) stages.makeFirst(this.#store, this.#stageOptions());
			this.#store.encryptKeys();
		}
		this.#state = this.#load();
		if (this.#state.trustDomain !== options.trustDomain)
			throw new Error(
				`${options.directory} is the authority of ${this.#state.trustDomain}, not of ${options.trustDomain}: give --trust-domain ${this.#state.trustDomain}, or another --ca`,
			);
		const { clock } = options;
		const watched = this.#plugIn === undefined ? `${options.directory}/versions` : this.#plugIn;
		if (clock) this.#unfollow = followFiles([watched], clock, () => this.refresh());
	}

	get trustDomain(): string {
		return this.#options.trustDomain;
	}

	get directory(): string {
		return this.#options.directory;
	}

	/** Wishes above it are refused. */
	get maxLeafTtlMs(): number {
		return this.#options.maxLeafTtlMs ?? 90 * dayMs;
	}

	get source(): AuthorityState["source"] {
		return this.#state.source;
	}

	/** Why the files as they are now could not be taken over; the state before stays. */
	get problem(): string | undefined {
		return this.#problem;
	}

	/** The root over the issuer that signs now, PEM. */
	get rootPem(): string {
		return rootOver(this.#state.signing, this.#state).pem;
	}

	/** base64url SHA-256 of that root's SubjectPublicKeyInfo, as join tokens carry it. */
	get rootHash(): string {
		return rootHashOf(rootOver(this.#state.signing, this.#state));
	}

	/** The operator's revocation lists name it. */
	isRevoked(certificate: CertificateFacts): boolean {
		return this.#state.revocations?.has(certificate) ?? false;
	}

	/** For Envoys; `because`: why they get none of those that there are. */
	revocationLists(): EnvoyLists {
		return this.#state.revocations?.forEnvoys(this.#state.signing) ?? { lists: [] };
	}

	bundle(): TrustBundle {
		const roots = this.#state.roots.map(({ pem }) => pem);
		const { lists } = this.revocationLists();
		const revocation = lists.length > 0 ? { revocationLists: lists } : {};
		return { trustDomain: this.trustDomain, roots, issuerKeyId: this.#state.signing.keyId, ...revocation };
	}

	roots(): readonly RootStatus[] {
		return this.#state.roots.map(({ fingerprint, keyId, pem, facts }) => ({
			fingerprint,
			keyId,
			certificatePem: pem,
			notBeforeMs: facts.notBeforeMs,
			notAfterMs: facts.notAfterMs,
			isActive: fingerprint === this.#state.activeRoot,
		}));
	}

	issuers(): readonly IssuerStatus[] {
		return this.#state.issuers.map(({ keyId, pem, facts, root }) => ({
			keyId,
			root,
			certificatePem: pem,
			notBeforeMs: facts.notBeforeMs,
			notAfterMs: facts.notAfterMs,
			isSigning: keyId === this.#state.signing.keyId,
		}));
	}

	onChange(listener: () => void): Cancel {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** Signs the key of a PEM request for an identity that the caller has proved. Names inside the request are not looked at. */
	sign(requestPem: string, identity: Identity, options: SignOptions = {}): SignOutcome {
		const checked = checkRequest(requestPem);
		if (!checked.ok) return checked;
		return this.signKey(checked.publicKey, identity, options);
	}

	/** The same for a public key (SubjectPublicKeyInfo, DER) whose holder is known. */
	signKey(publicKey: Uint8Array, identity: Identity, options: SignOptions = {}): SignOutcome {
		const { leafTtlMs = dayMs, wallMs } = this.#options;
		const limits = { leafTtlMs, maxLeafTtlMs: this.maxLeafTtlMs, nowMs: wallMs() };
		return signLeaf(this.#state, publicKey, identity, options, limits);
	}

	/** A new root with an issuer under it: trusted from now on, and active for new issuers, but not signing yet. */
	addRoot(): { readonly fingerprint: string; readonly issuerKeyId: string } {
		return this.#change((store, options) => stages.addRoot(store, options));
	}

	/** A new issuer under the active root, not signing yet. */
	addIssuer(): { readonly issuerKeyId: string } {
		return this.#change((store, options) => stages.addIssuer(store, options));
	}

	/** From now on leaves come from this issuer. */
	signWith(issuerKeyId: string): void {
		this.#change((store) => stages.signWith(store, issuerKeyId));
	}

	/** The mesh no longer trusts the root; its issuers go with it, and their keys are destroyed. Not while one of them signs. */
	dropRoot(fingerprint: string): void {
		this.#change((store) => stages.dropRoot(store, fingerprint));
	}

	/** The issuer's key is destroyed; what it signed stays valid until it expires. Not while it signs. */
	dropIssuer(keyId: string): void {
		this.#change((store) => stages.dropIssuer(store, keyId));
	}

	/** Takes over what is in the files now. */
	refresh(): void {
		let next: AuthorityState | undefined;
		let problem: string | undefined;
		try {
			const revision = this.#revision();
			if (revision !== this.#state.revision) next = this.#load();
			else if (this.#problem !== undefined) problem = undefined;
		} catch (error) {
			problem = error instanceof Error ? error.message : String(error);
		}
		if (problem !== this.#problem) {
			this.#problem = problem;
			this.#options.onProblem?.(problem);
		}
		if (!next) return;
		this.#state = next;
		for (const listener of [...this.#listeners]) listener();
	}

	close(): void {
		this.#unfollow();
		this.#listeners.clear();
	}

	#change<Result>(stage: (store: AuthorityStore, options: stages.StageOptions) => Result): Result {
		if (this.#plugIn !== undefined)
			throw new stages.AuthorityError(
				`the authority is plugged in: put the new files into ${this.#plugIn}, roots first (old and new together), then the new issuer`,
			);
		try {
			return stage(this.#store, this.#stageOptions());
		} finally {
			this.refresh();
		}
	}

	#stageOptions(): stages.StageOptions {
		const { keyType, trustDomain, wallMs } = this.#options;
		return { trustDomain, nowMs: wallMs(), keyType: keyType ?? "ecdsa" };
	}

	#revision(): string {
		if (this.#plugIn === undefined) return String(this.#store.latestVersion());
		return hashOfFiles(plugInFiles(this.#plugIn) ?? []);
	}

	#load(): AuthorityState {
		const { passphrase, trustDomain, wallMs } = this.#options;
		if (this.#plugIn === undefined) return this.#store.load(this.#store.latestVersion());
		const options = { trustDomain, nowMs: wallMs(), ...(passphrase === undefined ? {} : { passphrase }) };
		return loadPlugIn(this.#plugIn, options);
	}
}

/** What the authority needs cannot be read, or does not fit together; the message is for the operator. */
export class AuthorityFilesError extends Error {}

/** Opens the authority in the directory, or makes a new one there. Throws an AuthorityFilesError when the files are not right. */
export function openAuthority(options: AuthorityOptions): Authority {
	try {
		return new Authority(options);
	} catch (error) {
		throw new AuthorityFilesError(error instanceof Error ? error.message : String(error), { cause: error });
	}
}
