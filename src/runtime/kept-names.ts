// A set of names in a file, for the process that comes after this one. One that cannot be read counts as empty, one that cannot be
// written is told once.

import { readFileSync } from "node:fs";
import { replaceFile } from "./durable-file.ts";
import type { Log } from "./log.ts";

export interface KeptNames {
	load(): readonly string[];
	save(names: Iterable<string>): void;
}

export function keptNames(path: string, log: Log): KeptNames {
	let isTold = false;
	return {
		load: () => {
			try {
				const read: unknown = JSON.parse(readFileSync(path, "utf8"));
				return Array.isArray(read) ? read.filter((name) => typeof name === "string") : [];
			} catch {
				return [];
			}
		},
		save: (names) => {
			try {
				replaceFile(path, JSON.stringify([...names].sort()), false);
			} catch (error) {
				if (!isTold) log.warn({ path, because: String(error) }, "names cannot be kept for a restart");
				isTold = true;
			}
		},
	};
}
