// The owners of each virtual router's addresses that this node heard, on disk, so that a process that is replaced knows whom connections
// began with. Written without making anybody wait: the loop that must be on time is the same.

import { writeFileAtomic } from "../../node/atomic-file.ts";
import { readKeptFile } from "../../node/kept-file.ts";
import type { Log } from "../../runtime/log.ts";

export interface RememberedOwner {
	readonly source: string;
	/** Its address is above this node's. */
	readonly isHigher: boolean;
}

/** By name of the instance; who owned last comes first. */
export type RememberedOwners = Readonly<Record<string, readonly RememberedOwner[]>>;

export interface OwnersMemory {
	read(): RememberedOwners;
	write(owners: RememberedOwners): void;
}

export class OwnersFile implements OwnersMemory {
	readonly #path: string;
	readonly #log: Log;
	#text: string | undefined;
	#writing: Promise<void> | undefined;

	constructor(path: string, log: Log) {
		this.#path = path;
		this.#log = log;
	}

	/** Whatever is not as it was written is nothing. */
	read(): RememberedOwners {
		try {
			const read: unknown = JSON.parse(readKeptFile(this.#path) ?? "{}");
			if (typeof read !== "object" || read === null) return {};
			return Object.fromEntries(
				Object.entries(read).map(([name, owners]) => [name, Array.isArray(owners) ? owners.filter(isOwner) : []]),
			);
		} catch {
			return {};
		}
	}

	write(owners: RememberedOwners): void {
		this.#text = JSON.stringify(owners);
		this.#writing ??= this.#writeAll().finally(() => {
			this.#writing = undefined;
		});
	}

	/** What was said until then is on disk. */
	async settled(): Promise<void> {
		await this.#writing;
	}

	async #writeAll(): Promise<void> {
		while (this.#text !== undefined) {
			const text = this.#text;
			this.#text = undefined;
			try {
				await writeFileAtomic(this.#path, text);
			} catch (error) {
				this.#log.warn({ because: String(error) }, "owners of addresses are not remembered over a restart");
			}
		}
	}
}

function isOwner(value: unknown): value is RememberedOwner {
	const { isHigher, source } = (value ?? {}) as Partial<Record<keyof RememberedOwner, unknown>>;
	return typeof source === "string" && typeof isHigher === "boolean";
}
