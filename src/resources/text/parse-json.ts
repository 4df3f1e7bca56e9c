// JSON's own fast path: the engine parses it, and one pass over the text makes sure that no name stands twice in an object
// (the engine would keep the last one silently) and notes where the entries of a List begin.

import { newLocator, type Place } from "./parse-yaml.ts";
import type { SourceDocument } from "./read-documents.ts";
import type { TextPart } from "./split-yaml.ts";

/** Undefined when the text is not plain, correct JSON: the YAML parser, which reads JSON too, then says what is wrong. */
export function parseJson(text: string): SourceDocument | undefined {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return undefined;
	}
	const scan = scanJson(text);
	if (scan.names !== countNames(value)) return undefined;
	const start = placeOfStart(text);
	const whole: TextPart = { text, line: 1, column: 1 };
	const locateInWhole = newLocator(whole);
	const itemLocators = new Map<number, ReturnType<typeof newLocator>>();
	const itemAt = (index: number): Item | undefined => scan.items[index];
	return {
		result: { ok: true, value },
		start,
		itemPlace: (index) => itemAt(index)?.place,
		locate: (path) => {
			const [first, index, ...rest] = path;
			const item = first === "items" && typeof index === "number" ? itemAt(index) : undefined;
			if (!item || typeof index !== "number") return locateInWhole(path);
			let locator = itemLocators.get(index);
			if (!locator) {
				locator = newLocator({ text: text.slice(item.start, item.end), ...item.place });
				itemLocators.set(index, locator);
			}
			return locator(rest);
		},
	};
}

interface Item {
	readonly start: number;
	readonly end: number;
	readonly place: Place;
}

interface Scan {
	/** How many names all objects have together, repeated ones counted each time. */
	readonly names: number;
	/** Offsets of the entries of the list under the top-level name `items`. */
	readonly items: readonly Item[];
}

/** The text is known to be correct JSON. */
function scanJson(text: string): Scan {
	const items: Item[] = [];
	let names = 0;
	let depth = 0;
	let inItems = false;
	let itemStart = 0;
	let itemPlace: Place = { line: 1, column: 1 };
	let line = 1;
	let lineStart = 0;
	for (let at = 0; at < text.length; at++) {
		switch (text.charCodeAt(at)) {
			case 0x22: {
				const end = endOfText(text, at);
				if (depth === 1) inItems = end - at === 6 && text.startsWith("items", at + 1);
				at = end;
				break;
			}
			case 0x3a: // a colon outside a text always follows a name
				names++;
				break;
			case 0x7b: // {
			case 0x5b: // [
				if (depth === 2 && inItems) {
					itemStart = at;
					itemPlace = { line, column: at - lineStart + 1 };
				}
				depth++;
				break;
			case 0x7d: // }
			case 0x5d: // ]
				depth--;
				if (depth === 2 && inItems) items.push({ start: itemStart, end: at + 1, place: itemPlace });
				break;
			case 0x0a: // never inside a text
				line++;
				lineStart = at + 1;
				break;
		}
	}
	return { names, items };
}

/** Offset of the quote that ends the text which begins at `start`. */
function endOfText(text: string, start: number): number {
	let end = text.indexOf('"', start + 1);
	while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
	return end;
}

function isEscaped(text: string, at: number): boolean {
	let backslashes = 0;
	while (text.charCodeAt(at - 1 - backslashes) === 0x5c) backslashes++;
	return backslashes % 2 === 1;
}

function countNames(value: unknown): number {
	let names = 0;
	const open: unknown[] = [value];
	while (open.length > 0) {
		const next = open.pop();
		if (Array.isArray(next)) {
			for (const item of next) if (typeof item === "object" && item !== null) open.push(item);
		} else if (typeof next === "object" && next !== null) {
			for (const item of Object.values(next)) {
				names++;
				if (typeof item === "object" && item !== null) open.push(item);
			}
		}
	}
	return names;
}

function placeOfStart(text: string): Place {
	const lines = (/^\s*/.exec(text)?.[0] ?? "").split("\n");
	return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}
