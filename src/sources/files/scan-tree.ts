// Lists the resource files of one root: a directory tree or a single file. Links to directories are followed inside the
// tree only, and never into themselves.

import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { compareText } from "../../resources/config-object.ts";
import { isIgnoredName, isResourceFileName } from "./file-names.ts";

export interface ScannedTree {
	/** Where the root really is; files must lie in it. Undefined when there is nothing at the root. */
	readonly realRoot: string | undefined;
	/** The root is a file that was named itself. */
	readonly isSingleFile: boolean;
	/** In path order. */
	readonly files: readonly string[];
	/** Directories that were listed: the root, if it is one, and all in it but the hidden ones. */
	readonly listed: ReadonlySet<string>;
	/** Every directory whose events matter. */
	readonly directories: readonly string[];
	readonly refused: readonly { readonly path: string; readonly message: string; readonly hint: string }[];
}

const maxDepth = 32;

/** `beforeListing` is called for each directory before it is read, to watch it first. */
export async function scanTree(root: string, beforeListing: (directory: string) => void): Promise<ScannedTree> {
	const parent = dirname(root);
	beforeListing(parent);
	let realRoot: string;
	try {
		realRoot = await realpath(root);
		const stats = await stat(realRoot);
		if (!stats.isDirectory()) {
			const realParent = dirname(realRoot);
			beforeListing(realParent);
			return {
				realRoot: realParent,
				isSingleFile: true,
				files: [root],
				listed: new Set(),
				directories: [parent, realParent],
				refused: [],
			};
		}
	} catch {
		return {
			realRoot: undefined,
			isSingleFile: false,
			files: [],
			listed: new Set(),
			directories: [parent],
			refused: [],
		};
	}
	const files: string[] = [];
	const listed = new Set<string>();
	const refused: { path: string; message: string; hint: string }[] = [];

	const list = async (directory: string, realPath: string, above: readonly string[]): Promise<void> => {
		listed.add(directory);
		beforeListing(directory);
		let entries: Dirent[];
		try {
			entries = await readdir(directory, { withFileTypes: true });
		} catch (error) {
			const code = (error as NodeJS.ErrnoException).code;
			if (code !== "ENOENT") {
				refused.push({ path: directory, message: `cannot be listed: ${code}`, hint: "chmod a+rx DIRECTORY" });
			}
			return;
		}
		entries.sort((a, b) => compareText(a.name, b.name));
		for (const entry of entries) {
			if (isIgnoredName(entry.name)) continue;
			const path = join(directory, entry.name);
			const kind = entry.isSymbolicLink() ? await linkTarget(path) : entry.isDirectory() ? "directory" : "file";
			if (kind !== "directory") {
				if (isResourceFileName(entry.name) && kind !== "gone") files.push(path);
				continue;
			}
			const real = entry.isSymbolicLink() ? await realpath(path).catch(() => "") : join(realPath, entry.name);
			if (real !== realRoot && !real.startsWith(realRoot + sep)) {
				refused.push({
					path,
					message: `is a link to ${real}, outside of ${realRoot}`,
					hint: `give it as a resource directory of its own: --resources ${real}`,
				});
			} else if (above.includes(real)) {
				refused.push({ path, message: "is a link to a directory that holds it", hint: "remove the link" });
			} else if (above.length >= maxDepth) {
				refused.push({ path, message: `is nested more than ${maxDepth} levels deep`, hint: "flatten the tree" });
			} else {
				await list(path, real, [...above, real]);
			}
		}
	};
	await list(root, realRoot, [realRoot]);
	return { realRoot, isSingleFile: false, files, listed, directories: [parent, ...listed], refused };
}

async function linkTarget(path: string): Promise<"file" | "directory" | "gone"> {
	try {
		return (await stat(path)).isDirectory() ? "directory" : "file";
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "ENOENT" ? "gone" : "file";
	}
}
