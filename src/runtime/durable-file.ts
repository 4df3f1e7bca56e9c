// Files that are whole or absent, also after a power cut, in a directory that several processes write to.

import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Makes the file, unless there is one already: then false. Of several that try at once exactly one gets true. */
export function createFile(path: string, content: string): boolean {
	const temporary = writeAside(path, content, true);
	try {
		linkSync(temporary, path);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
		throw error;
	} finally {
		rmSync(temporary, { force: true });
	}
	syncDirectory(dirname(path));
	return true;
}

/**
 * Makes the file or takes the place of the one that is there. `lasting`: it survives a loss of power as well, whatever that
 * costs. Default true.
 */
export function replaceFile(path: string, content: string, lasting = true): void {
	const temporary = writeAside(path, content, lasting);
	try {
		renameSync(temporary, path);
	} catch (error) {
		rmSync(temporary, { force: true });
		throw error;
	}
	if (lasting) syncDirectory(dirname(path));
}

/** Readable by the owner alone. */
export function makePrivateDirectory(path: string): void {
	mkdirSync(path, { recursive: true, mode: 0o700 });
}

/** Names that begin with a dot are nobody's content: a writer may have died. One that fails leaves nothing. */
function writeAside(path: string, content: string, lasting: boolean): string {
	makePrivateDirectory(dirname(path));
	const temporary = `${dirname(path)}/.${randomBytes(8).toString("hex")}.tmp`;
	const file = openSync(temporary, "wx", 0o600);
	try {
		// All of it or an error: a single write may take a part when the disk is nearly full.
		writeFileSync(file, content);
		if (lasting) fsyncSync(file);
	} catch (error) {
		rmSync(temporary, { force: true });
		throw error;
	} finally {
		closeSync(file);
	}
	return temporary;
}

function syncDirectory(path: string): void {
	const directory = openSync(path, "r");
	try {
		fsyncSync(directory);
	} finally {
		closeSync(directory);
	}
}
