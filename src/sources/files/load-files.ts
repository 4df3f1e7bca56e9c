// Reads resource files once, by the same rules as the watched source: same files, same owner of an object in two files.

import { resolve } from "node:path";
import type { AnyObject } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import { readResourceFile } from "../../resources/read-resources.ts";
import { FileLedger } from "./file-ledger.ts";
import { readFileText } from "./read-file.ts";
import { scanTree } from "./scan-tree.ts";

export interface LoadedFiles {
	readonly objects: readonly AnyObject[];
	readonly problems: readonly Problem[];
	/** Files that were read, in order, as they were named by the caller. */
	readonly files: readonly { readonly path: string; readonly text: string }[];
	/** Paths given that do not exist. */
	readonly missing: readonly string[];
}

export interface LoadOptions {
	/** Default `default`. */
	readonly defaultNamespace?: string;
	/** What `-` stands for. */
	readonly stdin?: string;
}

export async function loadFiles(paths: readonly string[], options: LoadOptions = {}): Promise<LoadedFiles> {
	const ledger = new FileLedger();
	const problems: Problem[] = [];
	const files: { path: string; text: string }[] = [];
	const missing: string[] = [];
	const take = (name: string, text: string): void => {
		files.push({ path: name, text });
		ledger.update(name, String(files.length).padStart(8, "0"), readResourceFile(name, text, options));
	};
	for (const path of paths) {
		if (path === "-") {
			take("stdin", options.stdin ?? "");
			continue;
		}
		const root = resolve(path);
		const tree = await scanTree(root, () => {});
		if (tree.realRoot === undefined) missing.push(path);
		for (const refused of tree.refused) problems.push(fileProblem(refused.path, refused.message, refused.hint));
		for (const file of tree.files) {
			const name = file === root ? path : path.replace(/\/+$/, "") + file.slice(root.length);
			const text = await readFileText(file, tree.realRoot ?? root);
			if (text.ok) take(name, text.text);
			else if (text.because === "unreadable") problems.push(fileProblem(name, text.message, text.hint));
		}
	}
	return { objects: ledger.inForce(), problems: [...problems, ...ledger.problems()], files, missing };
}

function fileProblem(file: string, message: string, hint: string): Problem {
	return { severity: "error", origin: { file, line: 1, column: 1 }, resource: "", path: "", message, hint };
}
