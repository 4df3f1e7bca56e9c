// What the node must still have when everything else is down: its own key and chain, the roots that it trusts, and the
// certificates of its workloads. One file each, replaced whole, for root only. A file that is not whole is set aside.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../../runtime/durable-file.ts";
import type { Log } from "../../runtime/log.ts";
import { proxyFileName } from "../proxy-file-name.ts";
import { type CertifiedKey, certificatesIn, parseCertifiedKey, renderCertifiedKey } from "./certified-key.ts";
import { isRevocationList } from "./revocation-lists.ts";

export class IdentityStore {
	readonly #directory: string;
	readonly #log: Log;

	/** Makes the directory, 0700. */
	constructor(directory: string, log: Log) {
		this.#directory = directory;
		this.#log = log;
		mkdirSync(join(directory, "workloads"), { recursive: true, mode: 0o700 });
	}

	get nodePath(): string {
		return join(this.#directory, "node.pem");
	}

	loadNode(): CertifiedKey | undefined {
		return this.#load(this.nodePath, parseCertifiedKey);
	}

	saveNode(key: CertifiedKey): void {
		replaceFile(this.nodePath, renderCertifiedKey(key));
	}

	/** PEM, one certificate each. */
	loadRoots(): readonly string[] {
		return (
			this.#load(this.#rootsPath, (text) => {
				const roots = certificatesIn(text);
				if (roots.length === 0) throw new Error("it holds no certificate");
				return roots;
			}) ?? []
		);
	}

	saveRoots(roots: readonly string[]): void {
		replaceFile(this.#rootsPath, roots.join(""));
	}

	/** PEM, one list each. */
	loadRevocationLists(): readonly string[] {
		return (
			this.#load(this.#revocationListsPath, (text) => {
				const lists = text.match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----\n?/g) ?? [];
				if (!lists.every(isRevocationList)) throw new Error("it holds something else than revocation lists");
				return lists;
			}) ?? []
		);
	}

	saveRevocationLists(lists: readonly string[]): void {
		replaceFile(this.#revocationListsPath, lists.join(""));
	}

	/** The key of a request to join that may have been answered already: the same token certifies no other. */
	joiningKey(make: () => string): string {
		const path = join(this.#directory, "joining.key");
		const known = this.#load(path, (text) => {
			if (!text.endsWith("-----END PRIVATE KEY-----\n")) throw new Error("it holds no private key");
			return text;
		});
		if (known !== undefined) return known;
		const made = make();
		replaceFile(path, made);
		return made;
	}

	/** The token has certified the joining key. Only a digest of it is kept. */
	markUsed(token: string): void {
		replaceFile(join(this.#directory, "used-token"), digestOf(token));
		rmSync(join(this.#directory, "joining.key"), { force: true });
	}

	wasUsed(token: string): boolean {
		try {
			return readFileSync(join(this.#directory, "used-token"), "utf8") === digestOf(token);
		} catch {
			return false;
		}
	}

	loadWorkload(proxyId: string): CertifiedKey | undefined {
		return this.#load(this.#workloadPath(proxyId), parseCertifiedKey);
	}

	saveWorkload(proxyId: string, key: CertifiedKey): void {
		replaceFile(this.#workloadPath(proxyId), renderCertifiedKey(key), false);
	}

	removeWorkload(proxyId: string): void {
		rmSync(this.#workloadPath(proxyId), { force: true });
	}

	/** Removes the files of workloads that went while no agent ran. */
	keepWorkloads(proxyIds: Iterable<string>): void {
		const kept = new Set([...proxyIds].map(fileNameOf));
		const directory = join(this.#directory, "workloads");
		for (const name of readdirSync(directory)) if (!kept.has(name)) rmSync(join(directory, name), { force: true });
	}

	get #rootsPath(): string {
		return join(this.#directory, "roots.pem");
	}

	get #revocationListsPath(): string {
		return join(this.#directory, "revocation-lists.pem");
	}

	#workloadPath(proxyId: string): string {
		return join(this.#directory, "workloads", fileNameOf(proxyId));
	}

	#load<Content>(path: string, parse: (text: string) => Content): Content | undefined {
		let text: string;
		try {
			text = readFileSync(path, "utf8");
		} catch {
			return undefined;
		}
		try {
			return parse(text);
		} catch (error) {
			const aside = `${path}.unreadable`;
			renameSync(path, aside);
			const because = error instanceof Error ? error.message : String(error);
			this.#log.error({ file: path, aside, because }, "a stored certificate is not usable and was set aside");
			return undefined;
		}
	}
}

const fileNameOf = (proxyId: string): string => proxyFileName(proxyId, ".pem");

function digestOf(text: string): string {
	return createHash("sha256").update(text).digest("hex");
}
