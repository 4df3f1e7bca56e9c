// The record of what an API server said last, as a file: compressed, whole or as it was before, for its owner alone. The time of
// the file is when what it says was last known to be so.

import { createWriteStream, readFileSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip, gunzipSync } from "node:zlib";
import { makePrivateDirectory } from "../../runtime/durable-file.ts";
import { parseRecord, renderRecord, type SourceRecord } from "./source-record.ts";

export interface StoredRecord {
	readonly record: SourceRecord;
	/** Milliseconds since the epoch: when it was so. */
	readonly asOfMs: number;
}

export interface SourceRecordStore {
	/** Undefined: there is none, or none of use, and then `onUseless` is told why. */
	load(onUseless: (because: string) => void): StoredRecord | undefined;
	/** Rejects when it cannot be written; what was there before stays. One at a time. */
	save(record: SourceRecord, asOfMs: number): Promise<void>;
	/** What it says is still so. */
	confirm(asOfMs: number): void;
}

/** So much text is made at once; then others have their turn. */
const chunkLength = 128 * 1024;

/** `version`: of Keepmesh. */
export function sourceRecordFile(path: string, version: string): SourceRecordStore {
	const temporary = `${path}.new`;
	return {
		load: (onUseless) => {
			try {
				const asOfMs = statSync(path).mtimeMs;
				return { record: parseRecord(gunzipSync(readFileSync(path)).toString("utf8"), version), asOfMs };
			} catch (error) {
				const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
				if (!isMissing) onUseless(`${path}: ${error instanceof Error ? error.message : String(error)}`);
				return undefined;
			}
		},
		save: async (record, asOfMs) => {
			makePrivateDirectory(dirname(path));
			// One that a process left behind when it died may be anything.
			rmSync(temporary, { force: true });
			try {
				const text = Readable.from(inTurns(renderRecord(record, version)));
				await pipeline(text, createGzip({ level: 1 }), createWriteStream(temporary, { flags: "wx", mode: 0o600 }));
				utimesSync(temporary, asOfMs / 1000, asOfMs / 1000);
				renameSync(temporary, path);
			} catch (error) {
				rmSync(temporary, { force: true });
				throw error;
			}
		},
		confirm: (asOfMs) => {
			try {
				utimesSync(path, asOfMs / 1000, asOfMs / 1000);
			} catch {
				// There is none yet, or the disk is gone: then it is as old as it is.
			}
		},
	};
}

async function* inTurns(lines: Iterable<string>): AsyncGenerator<string> {
	let chunk = "";
	for (const line of lines) {
		chunk += line;
		if (chunk.length < chunkLength) continue;
		yield chunk;
		chunk = "";
		await new Promise((turn) => setImmediate(turn));
	}
	yield chunk;
}
