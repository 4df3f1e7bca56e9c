// What each proxy accepted last, on disk: an Envoy that is started again while no control plane can be reached gets it. A file
// for each proxy, a log of accepted responses that is folded when it has grown. Secrets of the control plane are left out:
// their keys do not belong on every machine's disk.

import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { appendFile, chmod, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { resourcePart } from "../envoy/encode-resource.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { AcceptedResponse, KeptVersions } from "../xds/relay-session.ts";
import { type EncodedResource, type ProxyConfig, typeUrls } from "../xds/resource.ts";
import { type Accepted, encodeAccepted, encodeFolded, nothingAccepted, readAccepted } from "./accepted-log.ts";
import { writeFileAtomic } from "./atomic-file.ts";
import { proxyFileName } from "./proxy-file-name.ts";

interface File {
	/** Bytes since it was folded. */
	grown: number;
	folded: number;
	/** Its end may be half a record, of an agent that was killed. */
	isChecked: boolean;
	/** Nothing is kept until the proxy begins anew. */
	isTooLarge: boolean;
	writing: Promise<unknown>;
}

export interface ConfigCacheStatus {
	/** Files that were damaged or of another format, since the agent started. */
	readonly setAside: number;
	/** Times that something accepted could not be written. */
	readonly failedWrites: number;
	/** Ids of proxies whose configuration is not kept. */
	readonly tooLarge: readonly string[];
}

const foldAtBytes = 256 * 1024;
const setAsideMost = 3;

export class ConfigCache {
	readonly #directory: string;
	readonly #log: Log;
	readonly #clock: Clock;
	readonly #maxBytes: number;
	readonly #files = new Map<string, File>();
	#setAside = 0;
	#failedWrites = 0;

	/** Makes the directory, 0700. `maxBytes`: the largest file of one proxy, default 64 MiB. */
	constructor(
		directory: string,
		{ log, clock }: { readonly log: Log; readonly clock: Clock },
		options: { readonly maxBytes?: number } = {},
	) {
		this.#directory = directory;
		this.#log = log;
		this.#clock = clock;
		this.#maxBytes = options.maxBytes ?? 64 * 1024 * 1024;
		mkdirSync(directory, { recursive: true, mode: 0o700 });
		chmodSync(directory, 0o700);
	}

	has(proxyId: string): boolean {
		return existsSync(this.#path(proxyId));
	}

	status(): ConfigCacheStatus {
		return {
			setAside: this.#setAside,
			failedWrites: this.#failedWrites,
			tooLarge: [...this.#files].flatMap(([proxyId, { isTooLarge }]) => (isTooLarge ? [proxyId] : [])),
		};
	}

	/** Written in the background, in order. */
	accept(proxyId: string, accepted: AcceptedResponse): void {
		if (accepted.typeUrl === typeUrls.secret) return;
		const record = encodeAccepted(accepted.bytes, accepted.isFirst, this.#clock.wallMs());
		const file = this.#fileOf(proxyId);
		void this.#next(file, () => this.#append(proxyId, file, record, accepted.isFirst)).catch((error: unknown) => {
			this.#failedWrites++;
			// What was not written is missing in all that follows: folding finds out what is there.
			file.isChecked = false;
			this.#log.error({ proxyId, because: String(error) }, "a proxy's configuration could not be kept");
		});
	}

	/** Undefined when nothing is kept. */
	async load(proxyId: string): Promise<ProxyConfig | undefined> {
		return (await this.loadWithTime(proxyId)).config;
	}

	/** `sinceMs`: when the proxy accepted something last, in milliseconds since the epoch. Both undefined when nothing is kept. */
	async loadWithTime(proxyId: string): Promise<{ readonly config?: ProxyConfig; readonly sinceMs?: number }> {
		const { byType, atMs } = await this.#readInTurn(proxyId);
		const sets = [...byType].map(
			([typeUrl, byName]) => [typeUrl, { typeUrl, parts: [resourcePart([...byName.values()])] }] as const,
		);
		return {
			...(sets.length > 0 && { config: new Map(sets) }),
			...(atMs !== undefined && { sinceMs: atMs }),
		};
	}

	/** What is kept: empty when nothing is. */
	async versions(proxyId: string): Promise<KeptVersions> {
		const { byType } = await this.#readInTurn(proxyId);
		const versionsOf = (resources: Iterable<EncodedResource>) =>
			[...resources].map((one) => [one.name, one.version] as const);
		return new Map([...byType].map(([typeUrl, byName]) => [typeUrl, new Map(versionsOf(byName.values()))]));
	}

	async forget(proxyId: string): Promise<void> {
		const file = this.#files.get(proxyId);
		this.#files.delete(proxyId);
		await file?.writing;
		for (const path of [this.#path(proxyId), ...setAsidePaths(this.#path(proxyId))]) await rm(path, { force: true });
	}

	/** Removes what belongs to none of these. */
	async keep(proxyIds: Iterable<string>): Promise<void> {
		const kept = new Set([...proxyIds].map(fileNameOf).flatMap((name) => [name, ...setAsidePaths(name)]));
		for (const name of await readdir(this.#directory))
			if (!kept.has(name)) await rm(join(this.#directory, name), { force: true });
	}

	async close(): Promise<void> {
		await Promise.all([...this.#files.values()].map(({ writing }) => writing));
	}

	#fileOf(proxyId: string): File {
		const known = this.#files.get(proxyId);
		if (known) return known;
		const made: File = { grown: 0, folded: 0, isChecked: false, isTooLarge: false, writing: Promise.resolve() };
		this.#files.set(proxyId, made);
		return made;
	}

	/** One after the other for each file. */
	#next<Result>(file: File, job: () => Promise<Result>): Promise<Result> {
		const done = file.writing.then(job);
		file.writing = done.catch(() => {});
		return done;
	}

	async #append(proxyId: string, file: File, record: Buffer, isFirst: boolean): Promise<void> {
		if (isFirst) file.isTooLarge = false;
		if (file.isTooLarge) return;
		const isLong = file.grown > foldAtBytes + 2 * file.folded;
		if (!file.isChecked || isLong || this.#isTooLarge(file, record)) await this.#fold(proxyId, file);
		if (this.#isTooLarge(file, record)) {
			file.isTooLarge = true;
			file.isChecked = false;
			await rm(this.#path(proxyId), { force: true });
			const facts = { proxyId, maxBytes: this.#maxBytes };
			this.#log.error(facts, "a proxy's configuration is too large to be kept: it starts only with a control plane");
			return;
		}
		await appendFile(this.#path(proxyId), record, { mode: 0o600 });
		file.grown += record.length;
	}

	#isTooLarge({ folded, grown }: File, record: Buffer): boolean {
		return folded + grown + record.length > this.#maxBytes;
	}

	/** On the disk when it resolves: a machine that loses its power has what was folded. */
	async #fold(proxyId: string, file: File): Promise<void> {
		const content = encodeFolded(await this.#read(proxyId));
		await writeFileAtomic(this.#path(proxyId), content, 0o600, { isDurable: true });
		file.isChecked = true;
		file.folded = content.length;
		file.grown = 0;
	}

	#readInTurn(proxyId: string): Promise<Accepted> {
		const file = this.#files.get(proxyId);
		return file || this.has(proxyId)
			? this.#next(this.#fileOf(proxyId), () => this.#read(proxyId))
			: Promise.resolve(nothingAccepted);
	}

	async #read(proxyId: string): Promise<Accepted> {
		const path = this.#path(proxyId);
		const bytes = await readFile(path).catch(() => undefined);
		if (!bytes) return nothingAccepted;
		const { damage, ...accepted } = readAccepted(bytes);
		if (damage === undefined) return accepted;
		this.#setAside++;
		const names = setAsidePaths(path);
		for (let index = names.length - 1; index > 0; index--)
			await rename(names[index - 1] ?? "", names[index] ?? "").catch(() => {});
		const file = names[0] ?? "";
		await rename(path, file);
		await chmod(file, 0o600);
		const served = accepted.byType.size > 0 ? "what came before the damage" : "nothing";
		this.#log.error({ proxyId, file, because: damage, served }, "a kept configuration is damaged: set aside");
		if (accepted.byType.size > 0) await writeFileAtomic(path, encodeFolded(accepted), 0o600, { isDurable: true });
		return accepted;
	}

	#path(proxyId: string): string {
		return join(this.#directory, fileNameOf(proxyId));
	}
}

const fileNameOf = (proxyId: string): string => proxyFileName(proxyId, ".xds");

/** The newest first. */
function setAsidePaths(path: string): readonly string[] {
	return Array.from({ length: setAsideMost }, (_, index) => `${path}.corrupt-${index + 1}`);
}
