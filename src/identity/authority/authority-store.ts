// A self-made authority on disk, shared by every replica that can reach the directory:
//   versions/000001.json ...  what the authority is; the highest number counts. A new version is made by a hard link, which
//                             fails when the number is taken: so changes of several replicas come one after the other.
//   keys/KEY-ID.pem           private keys, 0600, encrypted where there is a passphrase
//   roots.pem                 the roots in force, for people and tools; nothing reads it here

import type { KeyObject } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createFile, makePrivateDirectory, replaceFile } from "../../runtime/durable-file.ts";
import {
	type AuthorityCertificate,
	type AuthorityState,
	authorityCertificate,
	type Issuer,
} from "./authority-state.ts";
import { privateKeyPem, readPrivateKey } from "./signing-key.ts";

/** Certificates as PEM. The key of each lies in keys/, named after its key id. */
export interface AuthorityManifest {
	readonly format: 1;
	readonly trustDomain: string;
	/** Key id of the issuer that signs leaves. */
	readonly signing: string;
	/** Root whose key signs new issuers, by fingerprint. */
	readonly activeRoot: string;
	readonly roots: readonly string[];
	readonly issuers: readonly { readonly certificate: string; readonly root: string }[];
}

export interface NewKey {
	readonly keyId: string;
	readonly key: KeyObject;
}

const versionPattern = /^(\d{6})\.json$/;
const versionsKept = 20;

export class AuthorityStore {
	readonly directory: string;
	readonly #passphrase: string | undefined;

	constructor(directory: string, passphrase?: string) {
		this.directory = directory;
		this.#passphrase = passphrase;
	}

	/** 0: there is none yet. */
	latestVersion(): number {
		const numbers = this.#list("versions").map((name) => Number(versionPattern.exec(name)?.[1] ?? 0));
		return Math.max(0, ...numbers);
	}

	readManifest(version: number): AuthorityManifest {
		const path = join(this.directory, "versions", fileOf(version));
		const manifest = manifestIn(readFileSync(path, "utf8"), path);
		if (manifest.format !== 1) throw new Error(`${path} is of a format that this version of keepmesh does not know`);
		return manifest;
	}

	/** Throws when a key is missing, cannot be opened or does not fit its certificate. */
	load(version: number): AuthorityState {
		const manifest = this.readManifest(version);
		const where = join(this.directory, "versions", fileOf(version));
		const roots = manifest.roots.map((pem) => authorityCertificate(pem, where));
		const issuers = manifest.issuers.map(({ certificate, root }): Issuer => {
			const facts = authorityCertificate(certificate, where);
			return { ...facts, root, intermediates: [], key: this.readKey(facts.keyId) };
		});
		const signing = issuers.find(({ keyId }) => keyId === manifest.signing);
		if (!signing || roots.length === 0) throw new Error(`${where} names no issuer that could sign`);
		return {
			source: "self-made",
			revision: String(version),
			trustDomain: manifest.trustDomain,
			roots: roots.sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1)),
			issuers,
			signing,
			activeRoot: manifest.activeRoot,
		};
	}

	/** The root over the issuer that signs now; reads no private key. */
	signingRoot(): AuthorityCertificate {
		const { issuers, roots, signing } = this.readManifest(this.latestVersion());
		const read = (pem: string): AuthorityCertificate => authorityCertificate(pem, this.directory);
		const issuer = issuers.find(({ certificate }) => read(certificate).keyId === signing);
		const root = roots.map(read).find(({ fingerprint }) => fingerprint === issuer?.root);
		if (!root) throw new Error(`${this.directory} names no root over the issuer that signs`);
		return root;
	}

	readKey(keyId: string): KeyObject {
		return readPrivateKey(this.#keyPath(keyId), this.#passphrase);
	}

	/** Keys that lie there in the clear although there is a passphrase are encrypted. */
	encryptKeys(): void {
		if (this.#passphrase === undefined) return;
		for (const name of this.#list("keys").filter((one) => one.endsWith(".pem"))) {
			const path = join(this.directory, "keys", name);
			if (readFileSync(path, "utf8").includes("BEGIN ENCRYPTED")) continue;
			replaceFile(path, privateKeyPem(readPrivateKey(path), this.#passphrase));
		}
	}

	/** False when another replica has made that version meanwhile: then nothing is written. */
	commit(version: number, manifest: AuthorityManifest, keys: readonly NewKey[]): boolean {
		for (const { keyId, key } of keys) createFile(this.#keyPath(keyId), privateKeyPem(key, this.#passphrase));
		const path = join(this.directory, "versions", fileOf(version));
		if (!createFile(path, `${JSON.stringify(manifest, undefined, "\t")}\n`)) {
			for (const { keyId } of keys) rmSync(this.#keyPath(keyId), { force: true });
			return false;
		}
		replaceFile(join(this.directory, "roots.pem"), manifest.roots.join(""));
		this.#prune(version, manifest);
		return true;
	}

	/** Private keys of what was dropped are destroyed; of old versions the last few stay, as a record. */
	#prune(version: number, manifest: AuthorityManifest): void {
		const used = [...manifest.roots, ...manifest.issuers.map(({ certificate }) => certificate)];
		const names = new Set(used.map((pem) => `${authorityCertificate(pem, "the manifest").keyId}.pem`));
		// A key that no version names yet belongs to another replica's change under way, so only what was named before goes.
		const before = version > 1 ? this.readManifest(version - 1) : undefined;
		const named = [...(before?.roots ?? []), ...(before?.issuers.map(({ certificate }) => certificate) ?? [])];
		for (const pem of named) {
			const { keyId } = authorityCertificate(pem, "the manifest");
			if (!names.has(`${keyId}.pem`)) rmSync(this.#keyPath(keyId), { force: true });
		}
		for (const name of this.#list("versions")) {
			const number = Number(versionPattern.exec(name)?.[1] ?? Number.POSITIVE_INFINITY);
			if (number <= version - versionsKept) rmSync(join(this.directory, "versions", name), { force: true });
		}
	}

	prepare(): void {
		for (const name of ["versions", "keys"]) makePrivateDirectory(join(this.directory, name));
	}

	#keyPath(keyId: string): string {
		return join(this.directory, "keys", `${keyId}.pem`);
	}

	#list(folder: string): readonly string[] {
		try {
			return readdirSync(join(this.directory, folder));
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
			throw error;
		}
	}
}

function manifestIn(text: string, path: string): AuthorityManifest {
	let content: Partial<AuthorityManifest> | null;
	try {
		content = JSON.parse(text) as Partial<AuthorityManifest> | null;
	} catch {
		content = null;
	}
	if (Array.isArray(content?.roots) && Array.isArray(content.issuers)) return content as AuthorityManifest;
	throw new Error(`${path} is damaged: put it back; the version before it is what the authority was until then`);
}

const fileOf = (version: number): string => `${String(version).padStart(6, "0")}.json`;
