// The files of a certificate authority in a directory of this machine: all of them in, and a plan of changes carried out.

import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makePrivateDirectory, replaceFile } from "../../runtime/durable-file.ts";
import { type Files, keyOfPath, type MirrorPlan } from "./secret-files.ts";

/** Empty where there is no such directory. */
export function readFiles(directory: string): Files {
	const files = new Map<string, string>();
	for (const entry of entriesOf(directory)) {
		const paths = entry.isDirectory()
			? entriesOf(join(directory, entry.name)).map(({ name }) => `${entry.name}/${name}`)
			: [entry.name];
		for (const path of paths)
			if (keyOfPath(path) !== undefined) files.set(path, readFileSync(join(directory, path), "utf8"));
	}
	return files;
}

/** `lasting`: it survives a loss of power. */
export function carryOut(directory: string, { remove, write }: MirrorPlan, lasting: boolean): void {
	makePrivateDirectory(directory);
	for (const { path, content } of write) replaceFile(join(directory, path), content, lasting);
	for (const path of remove) rmSync(join(directory, path), { force: true });
}

function entriesOf(directory: string) {
	try {
		return readdirSync(directory, { withFileTypes: true });
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
		throw error;
	}
}
