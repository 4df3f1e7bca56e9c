// The record of virtual servers that are ours: a file with a name a line, for the next run.

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../../runtime/durable-file.ts";
import type { OwnedRecord } from "./ipvs-rules.ts";

/** Of Services; virtual servers of a keepalived.conf have another. */
export const serviceRecord = "ipvs-services";

export function ownedRecord(directory: string, file: string): OwnedRecord {
	const path = join(directory, file);
	return {
		read: () => (existsSync(path) ? new Set(linesOf(path)) : new Set()),
		write: (names) => {
			mkdirSync(directory, { recursive: true, mode: 0o711 });
			replaceFile(path, names.map((name) => `${name}\n`).join(""), false);
		},
	};
}

function linesOf(path: string): readonly string[] {
	return readFileSync(path, "utf8")
		.split("\n")
		.filter((line) => line !== "");
}
