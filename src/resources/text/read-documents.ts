// The text of one file in, its documents out: each with its value, or with what is wrong, and a way to find its fields.

import type { Path } from "../findings.ts";
import { parseJson } from "./parse-json.ts";
import { newLocator, type ParseResult, type Place, parseYamlPart, startOfPart } from "./parse-yaml.ts";
import { parsePlainYaml } from "./plain-yaml.ts";
import { splitYaml, type TextPart } from "./split-yaml.ts";

export interface SourceDocument {
	readonly result: ParseResult;
	/** Where a field stands; the document's own start for an empty path. */
	readonly locate: (path: Path) => Place;
	/** Where entry `index` of a List begins; undefined when it must be looked up with `locate`. */
	readonly itemPlace?: (index: number) => Place | undefined;
	/** Line and column of the first thing in it that is no comment. */
	readonly start: Place;
}

export const maxFileCharacters = 16 * 1024 * 1024;

export function readDocuments(path: string, text: string): readonly SourceDocument[] {
	if (text.length > maxFileCharacters) {
		const megabytes = (text.length / 1024 / 1024).toFixed(0);
		return [broken(`has ${megabytes} MiB of text; the limit for one file is 16 MiB`, "split it into several files")];
	}
	const clean = text.startsWith("\uFEFF") ? text.slice(1) : text;
	if (path.endsWith(".json") || /^\s*[{[]/.test(clean)) {
		const json = parseJson(clean);
		if (json) return [json];
	}
	return splitYaml(clean).map(yamlDocument);
}

function yamlDocument(part: TextPart): SourceDocument {
	const start = startOfPart(part);
	const nul = part.text.indexOf("\0");
	if (nul >= 0) {
		const line = part.line + part.text.slice(0, nul).split("\n").length - 1;
		const place = { line, column: nul - part.text.lastIndexOf("\n", nul) };
		const result = {
			ok: false,
			message: "holds a NUL character",
			hint: "the file is damaged or not a text: write it anew",
			place,
		} as const;
		return { result, locate: () => place, start };
	}
	if (isTooDeep(part.text)) {
		const hint = `nest lists and mappings less than ${maxDepth} deep`;
		return { result: { ok: false, message: "is nested too deep", hint, place: start }, locate: () => start, start };
	}
	const plain = parsePlainYaml(part);
	if (plain) {
		const result = { ok: true, value: plain.value } as const;
		return { result, locate: newLocator(part), itemPlace: (index) => plain.items[index], start };
	}
	return { result: parseYamlPart(part), locate: newLocator(part), start };
}

/** Parsers use the stack for each level, and time that grows with its square. */
const maxDepth = 500;

/** Counts brackets wherever they stand: so many open ones at once are in no good text either. */
function isTooDeep(text: string): boolean {
	let depth = 0;
	for (let at = 0; at < text.length; at++) {
		const code = text.charCodeAt(at);
		if (code === 0x5b || code === 0x7b) depth++;
		else if (code === 0x5d || code === 0x7d) depth--;
		if (depth > maxDepth) return true;
	}
	return false;
}

function broken(message: string, hint: string): SourceDocument {
	const place = { line: 1, column: 1 };
	return { result: { ok: false, message, hint, place }, locate: () => place, start: place };
}
