// The records of adopted redirects: one file for each network namespace, in a directory that only root reads.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AdoptedRedirect, parseAdopted } from "../../hotswitch/adopt/adopted-redirect.ts";
import { writeFileAtomic } from "../atomic-file.ts";

export class AdoptedStore {
	readonly #directory: string;

	constructor(directory: string) {
		this.#directory = directory;
	}

	/** Of exactly this namespace. Throws when its record cannot be read: it must not be taken for none. */
	find(id: string): AdoptedRedirect | undefined {
		return this.list().find(({ namespace }) => namespace.id === id);
	}

	list(): readonly AdoptedRedirect[] {
		return this.#files().map((file) => {
			const path = join(this.#directory, file);
			const record = parseAdopted(readFileSync(path, "utf8"));
			if (!record) throw new Error(`${path} is no record of a redirect that this version can read`);
			return record;
		});
	}

	async save(record: AdoptedRedirect): Promise<void> {
		await writeFileAtomic(join(this.#directory, `${record.namespace.id.replaceAll("/", "_")}.json`), encode(record));
	}

	#files(): readonly string[] {
		try {
			return readdirSync(this.#directory)
				.filter((name) => name.endsWith(".json"))
				.sort();
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
			throw error;
		}
	}
}

const encode = (record: AdoptedRedirect): string => `${JSON.stringify(record, null, "\t")}\n`;
