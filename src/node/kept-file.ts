// A small file that must be true also after the agent was killed: replaced as a whole, before the call returns. Not forced to
// the disk: what it tells of, processes and kernel tables, does not outlive the machine's end either.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Undefined when there is none. */
export function readKeptFile(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return undefined;
	}
}

/** Root's alone. Says why when it could not be written: then what was there stays. */
export function writeKeptFile(path: string, text: string): string | undefined {
	try {
		mkdirSync(dirname(path), { recursive: true, mode: 0o710 });
		const temporary = `${path}.new`;
		writeFileSync(temporary, text, { mode: 0o600 });
		renameSync(temporary, path);
		return undefined;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
}
