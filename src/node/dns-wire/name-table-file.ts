// Follows name-table.json, which the agent replaces as a whole. In: a path. Out: always the last index that could be read.

import { readFileSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { Log } from "../../runtime/log.ts";
import { indexNames, type NameIndex, parseNameTableFile } from "../dns/name-index.ts";

export interface FollowedNames {
	readonly current: NameIndex;
	close(): void;
}

/** The directory must exist; the file may come later. A file that cannot be read changes nothing. */
export function followNameTable(path: string, log: Log): FollowedNames {
	let current = indexNames({ names: {} });
	let lastText = "";
	const read = (): void => {
		let text: string;
		try {
			text = readFileSync(path, "utf8");
		} catch {
			return;
		}
		if (text === lastText) return;
		lastText = text;
		const file = parseNameTableFile(text);
		if (!file) {
			log.error({ path }, "name table is broken; the names of before stay");
			return;
		}
		current = indexNames(file);
		log.info({ path, names: current.size }, "names read");
	};
	const watcher = watch(dirname(path), (_, name) => {
		if (name === basename(path)) read();
	});
	// Should an event be lost, names are late but not for ever.
	const timer = setInterval(read, 2000);
	read();
	return {
		get current() {
			return current;
		},
		close: () => {
			watcher.close();
			clearInterval(timer);
		},
	};
}
