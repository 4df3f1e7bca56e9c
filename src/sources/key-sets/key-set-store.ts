// The last good key sets on disk, one file for each address, so that a control plane that starts while an issuer is down
// still has its keys.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { readKeySet } from "../../model/key-set.ts";
import { replaceFile } from "../../runtime/durable-file.ts";
import type { GoodKeySet } from "./key-set-machine.ts";

export interface KeySetStore {
	load(): ReadonlyMap<string, GoodKeySet>;
	save(uri: string, good: GoodKeySet): void;
	forget(uri: string): void;
}

/** For a control plane without a directory of its own. */
export const noKeySetStore: KeySetStore = { load: () => new Map(), save: () => {}, forget: () => {} };

const maxFiles = 2000;
const maxFileBytes = 2 * 1024 * 1024;
const fileName = /^[0-9a-f]{32}\.json$/;

/** Writing throws when the disk does not take it; a file that cannot be read counts as absent. */
export function keySetDirectory(directory: string): KeySetStore {
	const pathOf = (uri: string): string =>
		join(directory, `${createHash("sha256").update(uri).digest("hex").slice(0, 32)}.json`);
	return {
		load() {
			const loaded = new Map<string, GoodKeySet>();
			for (const name of namesIn(directory)) {
				const read = readStored(join(directory, name));
				if (read && pathOf(read.uri) === join(directory, name)) loaded.set(read.uri, read.good);
			}
			return loaded;
		},
		save(uri, { keys, fetchedWallMs }) {
			replaceFile(pathOf(uri), JSON.stringify({ uri, fetchedWallMs, keys: JSON.parse(keys) }), false);
		},
		forget(uri) {
			rmSync(pathOf(uri), { force: true });
		},
	};
}

function namesIn(directory: string): readonly string[] {
	try {
		return readdirSync(directory)
			.filter((name) => fileName.test(name))
			.slice(0, maxFiles);
	} catch {
		return [];
	}
}

function readStored(path: string): { readonly uri: string; readonly good: GoodKeySet } | undefined {
	try {
		if (statSync(path).size > maxFileBytes) return undefined;
		const { uri, fetchedWallMs, keys } = JSON.parse(readFileSync(path, "utf8"));
		const read = readKeySet(JSON.stringify(keys), "leaveOut");
		if (typeof uri !== "string" || typeof fetchedWallMs !== "number" || !read.ok) return undefined;
		return { uri, good: { keys: read.keys, fetchedWallMs } };
	} catch {
		return undefined;
	}
}
