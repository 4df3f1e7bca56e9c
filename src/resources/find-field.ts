// Finds the line of a field of a resource that was read before, for problems that are found later (check-references.ts).

import type { AnyObject } from "./config-object.ts";
import type { Path } from "./findings.ts";
import type { Origin } from "./problem.ts";
import { isMapping } from "./shapes/check-shape.ts";
import { readDocuments, type SourceDocument } from "./text/read-documents.ts";

/** `files` are those the resources came from. Reads a file again at the first question about it. */
export function newFieldFinder(
	files: readonly { readonly path: string; readonly text: string }[],
): (object: AnyObject, path: Path) => Origin {
	const texts = new Map(files.map((file) => [file.path, file.text]));
	const places = new Map<
		string,
		ReadonlyMap<string, (path: Path) => { readonly line: number; readonly column: number }>
	>();
	return (object, path) => {
		const { file, line, column } = object.origin;
		const text = texts.get(file);
		if (text === undefined) return object.origin;
		const known = places.get(file) ?? placesOf(readDocuments(file, text));
		places.set(file, known);
		const locate = known.get(`${line}:${column}`);
		return locate ? { file, ...locate(path) } : object.origin;
	};
}

function placesOf(documents: readonly SourceDocument[]): ReadonlyMap<string, SourceDocument["locate"]> {
	const places = new Map<string, SourceDocument["locate"]>();
	for (const document of documents) {
		places.set(`${document.start.line}:${document.start.column}`, document.locate);
		const value = document.result.ok ? document.result.value : undefined;
		if (!isMapping(value) || !Array.isArray(value.items)) continue;
		for (const index of value.items.keys()) {
			const { line, column } = document.itemPlace?.(index) ?? document.locate(["items", index]);
			places.set(`${line}:${column}`, (path) => document.locate(["items", index, ...path]));
		}
	}
	return places;
}
