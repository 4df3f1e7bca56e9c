// One YAML document in, its plain value out, or the first thing that is wrong with it and where.
// Also finds the place of a field again, for the few documents that have a problem.

import { type Document, isAlias, isCollection, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Path } from "../findings.ts";
import type { TextPart } from "./split-yaml.ts";

export interface Place {
	readonly line: number;
	readonly column: number;
}

export type ParseResult =
	| { readonly ok: true; readonly value: unknown }
	| { readonly ok: false; readonly message: string; readonly hint: string; readonly place: Place };

const options = { prettyErrors: false, strict: true, uniqueKeys: true, merge: true, logLevel: "silent" } as const;

/** Aliases may be used this often each, counted with what they hold: a bomb of nested aliases ends here. */
const maxAliasCount = 100;

export function parseYamlPart(part: TextPart): ParseResult {
	let document: Document.Parsed;
	try {
		document = parseDocument(part.text, options);
	} catch (error) {
		return failed(part, 0, `cannot be parsed: ${messageOf(error)}`, "check quotes and indentation");
	}
	const [first] = document.errors;
	// The parser ran out of stack, at a depth that depends on who called it.
	if (first?.message.startsWith("Maximum call stack"))
		return failed(part, 0, "is nested too deep", "nest lists and mappings less than 500 deep");
	if (first)
		return failed(part, first.pos[0], `is not valid YAML: ${plainMessage(first.message)}`, hintFor(first.code));
	try {
		return { ok: true, value: document.toJS({ maxAliasCount }) };
	} catch (error) {
		return aliasFailure(part, messageOf(error));
	}
}

function aliasFailure(part: TextPart, message: string): ParseResult {
	const unknown = /^Unresolved alias.*: (.*)$/.exec(message)?.[1];
	if (unknown !== undefined)
		return failed(
			part,
			part.text.indexOf(`*${unknown}`),
			`has no anchor for the alias *${unknown}`,
			hintFor("BAD_ALIAS"),
		);
	if (/alias/i.test(message))
		return failed(part, 0, "repeats its aliases too often", "write the repeated part out, or use fewer nested aliases");
	return failed(part, 0, `cannot be read: ${message}`, "");
}

/** Finds fields of one document; parses its text once more, at the first question. */
export function newLocator(part: TextPart): (path: Path) => Place {
	let parsed: { readonly document: Document.Parsed; readonly lines: LineCounter } | undefined;
	return (path) => {
		if (!parsed) {
			const lines = new LineCounter();
			parsed = { document: parseDocument(part.text, { ...options, lineCounter: lines }), lines };
		}
		return placeIn(part, parsed.lines, offsetOf(parsed.document, path));
	};
}

/** Offset of the key of a field, or of an entry of a list; of the nearest parent when it does not exist. */
function offsetOf(document: Document.Parsed, path: Path): number {
	let node: unknown = document.contents;
	let offset = startOf(node) ?? 0;
	for (const key of path) {
		if (isAlias(node)) node = node.resolve(document);
		if (!isCollection(node)) return offset;
		if (isMap(node)) {
			const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
			if (!pair) return offset;
			offset = startOf(pair.key) ?? offset;
			node = pair.value;
		} else if (isSeq(node) && typeof key === "number") {
			node = node.items[key];
			offset = startOf(node) ?? offset;
		} else return offset;
	}
	return offset;
}

function startOf(node: unknown): number | undefined {
	return isNode(node) ? node.range?.[0] : undefined;
}

function placeIn(part: TextPart, lines: LineCounter, offset: number): Place {
	const { line, col } = lines.linePos(offset);
	// The line counter calls an offset before any text line 0.
	return line <= 1
		? { line: part.line, column: part.column + Math.max(col, 1) - 1 }
		: { line: part.line + line - 1, column: col };
}

function failed(part: TextPart, offset: number, message: string, hint: string): ParseResult {
	if (offset <= 0) return { ok: false, message, hint, place: startOfPart(part) };
	const before = part.text.slice(0, offset);
	const lineBreaks = before.split("\n").length - 1;
	const column = offset - (before.lastIndexOf("\n") + 1) + 1;
	const place = { line: part.line + lineBreaks, column: lineBreaks === 0 ? part.column + column - 1 : column };
	return { ok: false, message, hint, place };
}

/** Where the first thing stands that is no marker and no comment. */
export function startOfPart(part: TextPart): Place {
	const skipped = /^(?:(?:---|\.\.\.)?[ \t]*(?:#.*)?\r?\n|%.*\r?\n)*(?:--- +)?/.exec(part.text)?.[0] ?? "";
	const lines = skipped.split("\n");
	return { line: part.line + lines.length - 1, column: (lines.at(-1)?.length ?? 0) + 1 };
}

function plainMessage(message: string): string {
	return message.replace(/\s+/g, " ").replace(/:$/, "");
}

function hintFor(code: string): string {
	switch (code) {
		case "DUPLICATE_KEY":
			return "each name may stand once in a mapping: remove or rename one";
		case "TAB_AS_INDENT":
			return "indent with spaces";
		case "BAD_INDENT":
		case "MULTILINE_IMPLICIT_KEY":
		case "BLOCK_AS_IMPLICIT_KEY":
			return "check the indentation of this line and the one before";
		case "MISSING_CHAR":
			return "a quote, bracket or brace is not closed";
		case "BAD_ALIAS":
			return "define the anchor (&name) before its alias (*name)";
		default:
			return "check quotes, colons and indentation near this line";
	}
}

function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
