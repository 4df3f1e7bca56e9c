// The fast path for YAML: the plain block style in which nearly all configuration is written. A document's text comes in, its
// value goes out, or undefined at the first sign of anything else (flow collections, anchors, tags, texts of several lines,
// tabs, any mistake); the complete parser then reads it and says what is wrong. About ten times faster than that one.

import type { Place } from "./parse-yaml.ts";
import type { TextPart } from "./split-yaml.ts";

export interface PlainYaml {
	readonly value: unknown;
	/** Where the entries of the list under the top-level name `items` begin. */
	readonly items: readonly Place[];
}

export function parsePlainYaml(part: TextPart): PlainYaml | undefined {
	const text = part.text.replaceAll("\r\n", "\n");
	if (unusual.test(text)) return undefined;
	const lines = linesOf(text);
	if (!lines) return undefined;
	const state: State = { text, lines, at: 0, part, items: [] };
	try {
		const value = readBlock(state, 0);
		return state.at === lines.length ? { value, items: state.items } : undefined;
	} catch (error) {
		// Whatever it is (too deep, too), the complete parser will say it.
		if (error === notPlain || error instanceof RangeError) return undefined;
		throw error;
	}
}

const notPlain = new Error("not plain YAML");

/** Tabs, control characters, and line ends that YAML knows besides \n. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const unusual = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\ufeff]/;

interface Line {
	/** Column of the first character, from 0. Grows when the "- " of an entry is taken off. */
	indent: number;
	start: number;
	readonly end: number;
	/** From 0, in the document. */
	readonly number: number;
}

interface State {
	readonly text: string;
	readonly lines: readonly Line[];
	at: number;
	readonly part: TextPart;
	readonly items: Place[];
}

/** The lines with content; undefined for a marker with something behind it. */
function linesOf(text: string): readonly Line[] | undefined {
	const lines: Line[] = [];
	let number = 0;
	for (let start = 0; start < text.length; number++) {
		const lineBreak = text.indexOf("\n", start);
		let end = lineBreak < 0 ? text.length : lineBreak;
		const next = end + 1;
		let content = start;
		while (content < end && text.charCodeAt(content) === space) content++;
		if (content < end && text.charCodeAt(content) !== hash) {
			while (text.charCodeAt(end - 1) === space) end--;
			if (content === start && /^(?:---|\.\.\.|%)/.test(text.slice(start, start + 3))) {
				if (number > 0 || end - start > 3) return undefined;
			} else lines.push({ indent: content - start, start: content, end, number });
		}
		start = next;
	}
	return lines.length > 0 ? lines : undefined;
}

const space = 0x20;
const hash = 0x23;
const dash = 0x2d;
const colon = 0x3a;
const doubleQuote = 0x22;
const singleQuote = 0x27;

function readBlock(state: State, depth: number): unknown {
	const line = state.lines[state.at];
	if (!line) throw notPlain;
	return isEntry(state, line) ? readList(state, line.indent, depth) : readMapping(state, line.indent, depth);
}

/** Begins with a dash that stands alone. */
function isEntry(state: State, line: Line): boolean {
	if (state.text.charCodeAt(line.start) !== dash) return false;
	return line.end === line.start + 1 || state.text.charCodeAt(line.start + 1) === space;
}

function readMapping(state: State, indent: number, depth: number): unknown {
	const mapping: Record<string, unknown> = {};
	for (let line = state.lines[state.at]; line?.indent === indent; line = state.lines[state.at]) {
		if (isEntry(state, line)) throw notPlain;
		const key = readKey(state, line);
		if (!key || Object.hasOwn(mapping, key.name)) throw notPlain;
		state.at++;
		const next = state.lines[state.at];
		if (!isEmpty(state, key.valueStart, line.end)) {
			if (next && next.indent > indent) throw notPlain;
			mapping[key.name] = readScalar(state.text, key.valueStart, line.end);
		} else if (next && (next.indent > indent || (next.indent === indent && isEntry(state, next)))) {
			if (depth === 0 && key.name === "items") noteItems(state, next.indent);
			mapping[key.name] = readBlock(state, depth + 1);
		} else mapping[key.name] = null;
	}
	if ((state.lines[state.at]?.indent ?? -1) > indent) throw notPlain;
	return mapping;
}

function readList(state: State, indent: number, depth: number): unknown {
	const list: unknown[] = [];
	for (
		let line = state.lines[state.at];
		line?.indent === indent && isEntry(state, line);
		line = state.lines[state.at]
	) {
		let start = line.start + 1;
		while (state.text.charCodeAt(start) === space) start++;
		if (isEmpty(state, start, line.end)) {
			state.at++;
			const next = state.lines[state.at];
			list.push(next && next.indent > indent ? readBlock(state, depth + 1) : null);
			continue;
		}
		const inner: Line = { ...line, indent: line.indent + start - line.start, start };
		if (isEntry(state, inner) || readKey(state, inner)) {
			// The rest of the line is the first line of a block that is indented as far as it stands.
			line.indent = inner.indent;
			line.start = inner.start;
			list.push(readBlock(state, depth + 1));
		} else {
			list.push(readScalar(state.text, start, line.end));
			state.at++;
			if ((state.lines[state.at]?.indent ?? -1) > indent) throw notPlain;
		}
	}
	if ((state.lines[state.at]?.indent ?? -1) > indent) throw notPlain;
	return list;
}

/** Called before the list is read: looks ahead for its entries. */
function noteItems(state: State, indent: number): void {
	for (let at = state.at; at < state.lines.length; at++) {
		const line = state.lines[at];
		if (!line || line.indent < indent) return;
		if (line.indent > indent || !isEntry(state, line)) continue;
		let start = line.start + 1;
		while (state.text.charCodeAt(start) === space) start++;
		state.items.push({ line: state.part.line + line.number, column: line.indent + start - line.start + 1 });
	}
}

function isEmpty(state: State, start: number, end: number): boolean {
	return start >= end || state.text.charCodeAt(start) === hash;
}

const plainKey = /^[A-Za-z0-9_./][A-Za-z0-9_./-]*$/;

/** The name before a colon, and where its value begins; undefined when the line holds no name. */
function readKey(state: State, line: Line): { readonly name: string; readonly valueStart: number } | undefined {
	const { text } = state;
	const first = text.charCodeAt(line.start);
	let name: string;
	let at: number;
	if (first === doubleQuote || first === singleQuote) {
		at = endOfQuoted(text, line.start, line.end);
		if (text.charCodeAt(at) !== colon) return undefined;
		name = unquote(text.slice(line.start, at));
	} else {
		at = text.indexOf(":", line.start);
		while (at >= 0 && at < line.end - 1 && text.charCodeAt(at + 1) !== space) at = text.indexOf(":", at + 1);
		if (at < 0 || at >= line.end) return undefined;
		name = text.slice(line.start, at);
		// Numbers, null and the like would be written differently as names.
		if (!plainKey.test(name) || name === "null" || name === "Null" || name === "NULL") throw notPlain;
		if (String(resolve(name)) !== name) throw notPlain;
	}
	if (name === "__proto__") throw notPlain;
	if (at + 1 < line.end && text.charCodeAt(at + 1) !== space) return undefined;
	let valueStart = at + 1;
	while (text.charCodeAt(valueStart) === space) valueStart++;
	return { name, valueStart };
}

function readScalar(text: string, start: number, end: number): unknown {
	const first = text.charCodeAt(start);
	if (first === doubleQuote || first === singleQuote) {
		const close = endOfQuoted(text, start, end);
		if (close < end && !/^ +#/.test(text.slice(close, end))) throw notPlain;
		return unquote(text.slice(start, close));
	}
	let plain = text.slice(start, end);
	const comment = plain.indexOf(" #");
	if (comment >= 0) plain = plain.slice(0, comment).trimEnd();
	if (plain === "{}") return {};
	if (plain === "[]") return [];
	if (/^[[\]{},&*!|>%@`#]|^[-?:](?: |$)|: |:$/.test(plain)) throw notPlain;
	return resolve(plain);
}

/** Offset behind the closing quote. */
function endOfQuoted(text: string, start: number, end: number): number {
	const quote = text[start] ?? "";
	for (let at = start + 1; at < end; at++) {
		if (quote === '"' && text[at] === "\\") at++;
		else if (text[at] === quote) {
			if (quote === '"' || text[at + 1] !== quote) return at + 1;
			at++;
		}
	}
	throw notPlain;
}

function unquote(quoted: string): string {
	if (quoted.startsWith("'")) return quoted.slice(1, -1).replaceAll("''", "'");
	if (!quoted.includes("\\")) return quoted.slice(1, -1);
	// YAML has all escapes of JSON, with the same meaning; its others are for the complete parser.
	if (/\\[^"\\/bfnrtu]/.test(quoted.replaceAll("\\\\", ""))) throw notPlain;
	return JSON.parse(quoted) as string;
}

const decimal = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;

/** YAML 1.2's core schema: https://yaml.org/spec/1.2.2/#103-core-schema */
function resolve(plain: string): unknown {
	switch (plain) {
		case "null":
		case "Null":
		case "NULL":
		case "~":
		case "":
			return null;
		case "true":
		case "True":
		case "TRUE":
			return true;
		case "false":
		case "False":
		case "FALSE":
			return false;
	}
	const first = plain.charCodeAt(0);
	const numeric = (first >= 0x30 && first <= 0x39) || first === dash || first === 0x2b || first === 0x2e;
	if (!numeric) return plain;
	if (/^[-+]?(?:0[ox]|\.(?:inf|nan)$)/i.test(plain)) throw notPlain;
	return decimal.test(plain) ? Number(plain) : plain;
}
