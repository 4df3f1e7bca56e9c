// The resource files of one replica beside those of the others. In: where they are, and entries of the group. Out: whether another
// replica reads the very same directory, documents to carry to one that does not, and documents written that came from there.

import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ReplicaEntry } from "../../../replicas/replica-table.ts";
import { keyOf, type ObjectKey } from "../../../resources/config-object.ts";
import type { Log } from "../../../runtime/log.ts";
import { removeResource, resourceTexts, writeResource } from "../../../sources/files/resource-writer.ts";
import type { ResourceSource } from "../../../sources/resource-source.ts";
import type { ReplicaFiles } from "./replica-exchange.ts";

export interface DirectoryFilesOptions {
	/** The first directory among them is written to. */
	readonly roots: readonly string[];
	readonly id: string;
	/** Another one after each start. */
	readonly run: string;
}

export interface DirectoryFiles extends ReplicaFiles {
	close(): void;
}

export function directoryFiles(options: DirectoryFilesOptions, source: ResourceSource, log: Log): DirectoryFiles {
	const directory = options.roots
		.map((root) => resolve(root))
		.find((root) => statSync(root, { throwIfNoEntry: false })?.isDirectory());
	const markOf = (id: string): string => join(directory ?? "", `.keepmesh-replica-${id.replace(/[^\w.-]/g, "-")}`);
	const shared = new Map<string, boolean>();
	if (directory !== undefined)
		try {
			writeFileSync(markOf(options.id), `${options.run}\n`);
		} catch (error) {
			log.warn({ directory, because: String(error) }, "the directory of resources cannot be written to");
		}

	async function write(entry: ReplicaEntry): Promise<void> {
		if (directory === undefined) return;
		const before = source.current(entry.key)?.origin.file;
		if (entry.hash === undefined) {
			if (before !== undefined) await removeResource(before, entry.key);
			return;
		}
		const [resource] = entry.text === undefined ? [] : resourceTexts(entry.key, entry.text, namespaceIn(entry.key));
		if (!resource || keyOf(resource.object) !== entry.key) return;
		const written = await writeResource(directory, resource, before);
		if (!written.ok)
			log.warn({ resource: entry.key, file: written.file }, "a change of another replica was not written");
	}

	return {
		// One that reads the same directory has left its mark in it.
		isSharedWith: ({ id, run }) => {
			const known = shared.get(run);
			if (known !== undefined) return known;
			const isShared = directory !== undefined && readMark(markOf(id)) === run;
			shared.set(run, isShared);
			return isShared;
		},
		textsOf: async (keys) => {
			const byFile = new Map<string, ObjectKey[]>();
			for (const key of keys) {
				const file = source.current(key)?.origin.file;
				if (file !== undefined) byFile.set(file, [...(byFile.get(file) ?? []), key]);
			}
			const texts = new Map<ObjectKey, string>();
			for (const [file, wanted] of byFile) {
				const whole = await readFile(file, "utf8").catch(() => "");
				for (const { object, text } of resourceTexts(file, whole, "default"))
					if (wanted.includes(keyOf(object))) texts.set(keyOf(object), text);
			}
			return texts;
		},
		write: async (entries) => {
			for (const entry of entries) await write(entry);
			await source.rescan();
		},
		rescan: () => source.rescan(),
		close: () => {
			if (directory !== undefined) rmSync(markOf(options.id), { force: true });
		},
	};
}

/** Of replicas that all read one API server: nothing is carried between them, and what one has not seen yet comes by itself. */
export const noFiles: DirectoryFiles = {
	isSharedWith: () => true,
	textsOf: async () => new Map(),
	write: async () => {},
	rescan: async () => {},
	close: () => {},
};

function readMark(file: string): string | undefined {
	try {
		return readFileSync(file, "utf8").trim();
	} catch {
		return undefined;
	}
}

/** Documents without a namespace are of the one that they were read into. */
function namespaceIn(key: ObjectKey): string {
	const [, namespace = ""] = key.split("/");
	return namespace === "" ? "default" : namespace;
}
