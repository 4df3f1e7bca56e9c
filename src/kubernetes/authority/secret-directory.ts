// A private directory that holds what one Secret has, at every replica the same: the code that works on an authority's directory
// works on it unchanged. Changes are transactions: they are made in a copy, written to the Secret only if nobody changed it
// meanwhile, and come into the directory once the API server has them. While it cannot be asked, the directory stays as it is.

import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import { makePrivateDirectory } from "../../runtime/durable-file.ts";
import type { Log } from "../../runtime/log.ts";
import { secrets } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { type ResourceWatch, watchResource } from "../client/watch-resource.ts";
import { carryOut, readFiles } from "./local-files.ts";
import { areSame, dataOf, type Files, filesOf, planMirror } from "./secret-files.ts";
import { isNewer, keepSecret, readSecret, type SecretPlace, type SecretVersion, writeSecret } from "./stored-secret.ts";

export interface SecretDirectoryOptions extends SecretPlace {
	readonly directory: string;
}

export interface SecretDirectoryParts {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	/** The directory has changed. */
	readonly onChange?: () => void;
	/** The Secret was written, for the metrics. */
	readonly onWritten?: () => void;
}

export type TransactionOutcome<Result> =
	| { readonly ok: true; readonly result: Result }
	/** Others were faster each time: nothing was changed. */
	| { readonly ok: false; readonly because: "conflict" };

export class SecretDirectory {
	readonly directory: string;
	readonly #place: SecretPlace;
	readonly #parts: SecretDirectoryParts;
	/** As it was last seen; undefined: there is none, or it was never read. */
	#seen: SecretVersion | undefined;
	#watch: ResourceWatch | undefined;
	#last: Promise<unknown> = Promise.resolve();
	#isClosed = false;

	constructor(options: SecretDirectoryOptions, parts: SecretDirectoryParts) {
		this.directory = options.directory;
		this.#place = options;
		this.#parts = parts;
		makePrivateDirectory(options.directory);
		this.#removeLeftOvers();
	}

	/** `Secret keepmesh-system/keepmesh-ca` */
	get where(): string {
		return `Secret ${this.#place.namespace}/${this.#place.name}`;
	}

	/** There was such a Secret when it was looked at last. */
	get exists(): boolean {
		return this.#seen !== undefined;
	}

	/** Takes over what the Secret has now; a directory of before stays when there is none. Rejects when that cannot be known. */
	async load(): Promise<void> {
		const found = await readSecret(this.#parts.client, this.#place);
		if (found) this.#take(found);
		else this.#seen = undefined;
	}

	/** From now on changes of the Secret come by themselves. One that somebody removes is made again. */
	follow(): void {
		const { client, clock, log } = this.#parts;
		const { name, namespace } = this.#place;
		const target = { resource: secrets, namespace, fieldSelector: `metadata.name=${name}`, keep: keepSecret(name) };
		this.#watch = watchResource<SecretVersion>(client, target, {
			clock,
			log,
			onEvent: (event) => {
				if (event.type === "synced") {
					const [found] = event.objects;
					if (found) this.#take(found);
					else this.#putBack();
				} else if (event.type === "applied") this.#take(event.object);
				else if (event.type === "removed" && event.uid === this.#seen?.uid) this.#putBack();
			},
		});
	}

	/** Why the Secret cannot be followed now; undefined while it can. */
	get stale(): string | undefined {
		return this.#watch?.status().because;
	}

	/**
	 * Runs it in a copy of the directory; what it changes there becomes the Secret's and every replica's, whole or not at all. It
	 * runs again on what is new, as often as `tries`, when somebody else was faster. What it throws rejects, and changes nothing.
	 */
	transact<Result>(run: (copy: string) => Result, tries = 8): Promise<TransactionOutcome<Result>> {
		const turn = this.#last.then(() => this.#transact(run, tries));
		this.#last = turn.catch(() => undefined);
		return turn;
	}

	close(): void {
		this.#isClosed = true;
		this.#watch?.close();
	}

	async #transact<Result>(run: (copy: string) => Result, tries: number): Promise<TransactionOutcome<Result>> {
		for (let attempt = 0; attempt < tries && !this.#isClosed; attempt++) {
			const before = this.#seen;
			const have = before ? filesOf(before.data) : readFiles(this.directory);
			const { files, result } = this.#inCopy(have, run);
			if (before ? areSame(have, files) : files.size === 0) return { ok: true, result };
			const { client, onWritten } = this.#parts;
			const written = await writeSecret(client, this.#place, before, dataOf(files, before?.data));
			if (written) {
				onWritten?.();
				this.#take(written);
				return { ok: true, result };
			}
			await this.load();
		}
		return { ok: false, because: "conflict" };
	}

	#inCopy<Result>(have: Files, run: (copy: string) => Result): { readonly files: Files; readonly result: Result } {
		const copy = mkdtempSync(`${this.directory}${copyMark}`);
		try {
			carryOut(copy, planMirror(new Map(), have), false);
			const result = run(copy);
			return { files: readFiles(copy), result };
		} finally {
			rmSync(copy, { recursive: true, force: true });
		}
	}

	#take(found: SecretVersion): void {
		if (this.#isClosed || (this.#seen && !isNewer(found, this.#seen))) return;
		this.#seen = found;
		const have = readFiles(this.directory);
		const wanted = filesOf(found.data);
		if (areSame(have, wanted)) return;
		carryOut(this.directory, planMirror(have, wanted), true);
		this.#parts.onChange?.();
	}

	/** Whoever removed it would have taken the root of all trust away: what was known is put back. */
	#putBack(): void {
		this.#seen = undefined;
		if (this.#isClosed || readFiles(this.directory).size === 0) return;
		const { log } = this.#parts;
		this.transact(() => undefined).then(
			() => log.error({ secret: this.where }, "the certificate authority's Secret was gone, and is put back"),
			(error: unknown) =>
				log.error({ secret: this.where, because: String(error) }, "the certificate authority's Secret is gone"),
		);
	}

	/** Of a process that died. */
	#removeLeftOvers(): void {
		const parent = dirname(this.directory);
		if (!existsSync(parent)) return;
		for (const name of readdirSync(parent))
			if (name.startsWith(`${basename(this.directory)}${copyMark}`))
				rmSync(`${parent}/${name}`, { recursive: true, force: true });
	}
}

const copyMark = ".copy-";
