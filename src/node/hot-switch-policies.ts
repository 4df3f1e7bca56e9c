// What may be done for each pod whose proxy fails, as the control plane said last; kept on disk, a file for each proxy, so that
// a restarted agent has it while no control plane can be reached.

import { mkdirSync, readFileSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import { decodeHotSwitchPolicy, encodeHotSwitchPolicy } from "../hotswitch/hot-switch-policy-codec.ts";
import type { Log } from "../runtime/log.ts";
import { writeFileAtomic } from "./atomic-file.ts";
import { proxyFileName } from "./proxy-file-name.ts";

export class HotSwitchPolicies {
	readonly #directory: string;
	readonly #log: Log;
	readonly #known = new Map<string, HotSwitchPolicy | undefined>();
	#writing: Promise<void> = Promise.resolve();

	/** Makes the directory, 0700. */
	constructor(directory: string, log: Log) {
		this.#directory = directory;
		this.#log = log;
		mkdirSync(directory, { recursive: true, mode: 0o700 });
	}

	/** Also what an earlier agent was told; undefined while nobody has said anything. */
	of(proxyId: string): HotSwitchPolicy | undefined {
		if (!this.#known.has(proxyId)) this.#known.set(proxyId, this.#read(proxyId));
		return this.#known.get(proxyId);
	}

	/** Written in the background, in order; on the disk the old policy or the new one, never half of it. */
	receive(proxyId: string, policy: HotSwitchPolicy): void {
		const bytes = encodeHotSwitchPolicy(policy);
		const before = this.of(proxyId);
		this.#known.set(proxyId, policy);
		if (before && Buffer.compare(encodeHotSwitchPolicy(before), bytes) === 0) return;
		this.#next(() => writeFileAtomic(this.#path(proxyId), bytes));
	}

	forget(proxyId: string): void {
		this.#known.delete(proxyId);
		this.#next(() => rm(this.#path(proxyId), { force: true }));
	}

	/** Removes what belongs to none of these. */
	keep(proxyIds: Iterable<string>): void {
		const kept = new Set([...proxyIds].map(fileNameOf));
		this.#next(async () => {
			for (const name of await readdir(this.#directory))
				if (!kept.has(name)) await rm(join(this.#directory, name), { force: true });
		});
	}

	async close(): Promise<void> {
		await this.#writing;
	}

	#next(job: () => Promise<void>): void {
		this.#writing = this.#writing
			.then(job)
			.catch((error: unknown) => this.#log.error({ because: String(error) }, "hot-switch policy could not be kept"));
	}

	#read(proxyId: string): HotSwitchPolicy | undefined {
		let bytes: Buffer;
		try {
			bytes = readFileSync(this.#path(proxyId));
		} catch {
			return undefined;
		}
		const policy = decodeHotSwitchPolicy(bytes);
		if (!policy) this.#log.error({ proxyId }, "a kept hot-switch policy is not readable: the default holds");
		return policy;
	}

	#path(proxyId: string): string {
		return join(this.#directory, fileNameOf(proxyId));
	}
}

const fileNameOf = (proxyId: string): string => proxyFileName(proxyId, ".json");
