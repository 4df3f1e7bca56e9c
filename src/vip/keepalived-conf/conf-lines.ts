// keepalived.conf and what it includes in, the lines that count out: without comments, with parameters replaced, conditions
// decided, sequences written out. Files are read through an injected function.

import type { Place, Report } from "./conf-report.ts";
import { parseDefinition, replaceParameters } from "./definitions.ts";
import { expandRepetition, repetitionOf } from "./repetitions.ts";
import { decomment } from "./split-words.ts";

/** Access to files, given from outside. */
export interface ConfFiles {
	/** Text of a file; undefined when it cannot be read. */
	read(path: string): string | undefined;
	/** Absolute paths of the files that a pattern matches, sorted; a relative pattern starts at `directory`. */
	glob(pattern: string, directory: string): readonly string[];
}

export interface LineOptions {
	readonly files?: ConfFiles;
	/** What `@ID` lines are compared with (`-i`); keepalived's default is the first part of the host's name. */
	readonly configId: string;
	/** Parameters that are there before the first line; values of several lines have line feeds. */
	readonly parameters?: ReadonlyMap<string, string>;
}

export interface ConfLine {
	readonly text: string;
	readonly place: Place;
}

/** Deeper includes, and definitions that name themselves, are refused. */
const maxDepth = 50;
const maxLines = 200_000;

export function readConfLines(path: string, text: string, options: LineOptions, report: Report): readonly ConfLine[] {
	const reader = new LineReader(options, report);
	reader.readFile(path, text, 0);
	return reader.lines;
}

class LineReader {
	readonly lines: ConfLine[] = [];
	private readonly values: Map<string, string>;
	private readonly options: LineOptions;
	private readonly report: Report;
	/** Name of the definition whose lines are being read. */
	private open: string | undefined;
	private isFull = false;

	constructor(options: LineOptions, report: Report) {
		this.options = options;
		this.report = report;
		this.values = new Map([
			["_INSTANCE", options.configId],
			["_HASH", "#"],
			["_BANG", "!"],
			...(options.parameters ?? []),
		]);
	}

	readFile(path: string, text: string, depth: number): undefined {
		const directoryBefore = this.values.get("_PWD");
		this.values.set("_PWD", directoryOf(path));
		for (const [index, line] of text.split("\n").entries()) {
			const place = { file: path, line: index + 1 };
			const { text: bare, continues, unterminatedQuote, cutsWord } = decomment(line);
			if (unterminatedQuote)
				this.error(place, bare, "a quote is opened and not closed on this line", 'close it with "');
			if (cutsWord !== undefined)
				this.report.warn(
					subject(place, firstWord(bare)),
					`a comment begins in the middle of a word: what is left of it is ${hiddenIfSecret(bare, cutsWord)}`,
					'put the whole word in "...", or a space before the comment',
					"KM-silent",
				);
			if (this.open !== undefined && bare === "" && !continues)
				this.report.warn(
					subject(place, `$${this.open}`),
					"a line without \\ ends the definition here; keepalived's own processes do not agree on that",
					"take the line out, or write \\ at its end",
					"KM-silent",
				);
			this.take(bare, continues, place, depth);
		}
		this.open = undefined;
		if (directoryBefore === undefined) this.values.delete("_PWD");
		else this.values.set("_PWD", directoryBefore);
	}

	private take(text: string, continues: boolean, place: Place, depth: number): undefined {
		if (this.open !== undefined) {
			const before = this.values.get(this.open) ?? "";
			if (text !== "") this.values.set(this.open, before === "" ? text : `${before}\n${text}`);
			if (!continues) this.open = undefined;
			return;
		}
		this.process(continues ? `${text}\\` : text, place, depth);
	}

	private process(text: string, place: Place, depth: number): undefined {
		if (text === "" || this.isFull) return;
		if (depth > maxDepth || this.lines.length > maxLines) {
			this.isFull = true;
			this.error(
				place,
				firstWord(text),
				"includes or parameters go on for ever",
				"a file or a parameter names itself: take that out",
			);
			return;
		}
		if (text.startsWith("@")) {
			const rest = this.afterCondition(text, place);
			if (rest !== undefined) this.process(rest, place, depth + 1);
			return;
		}
		const definition = parseDefinition(text);
		if (definition) {
			const opens = definition.value.endsWith("\\");
			this.values.set(definition.name, opens ? definition.value.slice(0, -1).trimEnd() : definition.value);
			if (opens) this.open = definition.name;
			return;
		}
		if (/^~(?:SEQx?|LST)/.test(text)) return this.repeat(text, place, depth);
		if (text.includes("$")) {
			const replaced = replaceParameters(text, this.values);
			if (replaced.random)
				this.report.warn(
					subject(place, firstWord(text)),
					"_RANDOM has another value each time; its least one is taken",
					"write a number",
					"KM-unsupported",
				);
			if (replaced.almost !== undefined && !replaced.changed)
				this.report.warn(
					subject(place, firstWord(text)),
					`$${replaced.almost} is not replaced: only white space may follow it`,
					`write \${${replaced.almost}}`,
					"KM-silent",
				);
			if (replaced.changed) {
				if (replaced.text.length > 1_000_000) {
					this.isFull = true;
					return this.error(place, firstWord(text), "a parameter grows for ever", "it names itself: take that out");
				}
				// A value of several lines may hold definitions of its own.
				for (const line of replaced.text.split("\n")) {
					const { text: bare, continues } = decomment(line);
					this.take(bare, continues, place, depth + 1);
				}
				return;
			}
		}
		const include = /^include([rmwbat]?)[ \t]+(.+)$/.exec(text);
		if (include) return this.include(include[2] ?? "", include[1] ?? "", place, depth);
		this.lines.push({ text, place });
	}

	/** What follows `@ID`, when the condition holds. */
	private afterCondition(text: string, place: Place): string | undefined {
		const found = /^@(\^?)([^ \t]*)[ \t]+(.*)$/.exec(text);
		if (!found) {
			this.report.warn(
				subject(place, text),
				"a condition without a directive after it does nothing",
				"write @ID directive",
				"KM-silent",
			);
			return undefined;
		}
		const holds = found[2] === this.options.configId;
		return holds !== (found[1] === "^") ? found[3] : undefined;
	}

	private repeat(text: string, place: Place, depth: number): undefined {
		const repetition = repetitionOf(text);
		if (!repetition) {
			const form = "~SEQ(NAME, FIRST, STEP, LAST) or ~LST(NAME, VALUE, ...)";
			return this.error(place, firstWord(text), `${firstWord(text)} cannot be read`, `write ${form}`);
		}
		const turns = expandRepetition(repetition);
		if (turns === undefined)
			return this.error(
				place,
				firstWord(text),
				"this makes more than 100,000 lines, or none",
				"check first, step and last",
			);
		for (const turn of turns) {
			for (const [name, value] of turn) this.values.set(name, value);
			this.process(repetition.rest, place, depth + 1);
		}
		for (const name of repetition.names) this.values.delete(name);
	}

	private include(pattern: string, check: string, place: Place, depth: number): undefined {
		const wanted = pattern.replace(/^"(.*)"$/, "$1");
		const { files } = this.options;
		const found = files?.glob(wanted, directoryOf(place.file)) ?? [];
		const hint = "correct the path, or take the line out";
		if (found.length === 0) {
			const hasWildcard = /[*?[{]/.test(wanted);
			const message = `include: no file matches ${wanted}`;
			if (check === "a" || check === "b" || (check === "w" && hasWildcard) || (check !== "" && !hasWildcard))
				this.error(place, "include", message, hint);
			else if (!hasWildcard) this.report.warn(subject(place, "include"), message, hint, "KM-silent");
			return;
		}
		for (const path of found) {
			const text = files?.read(path);
			if (text !== undefined) {
				if (depth + 1 > maxDepth) return this.process("include", place, depth + 1);
				this.readFile(path, text, depth + 1);
			} else if (check !== "") this.error(place, "include", `include: ${path} cannot be read`, hint);
			else this.report.warn(subject(place, "include"), `include: ${path} cannot be read`, hint, "KM-silent");
		}
	}

	private error(place: Place, directive: string, message: string, hint: string): undefined {
		this.report.error(subject(place, directive), message, hint);
	}
}

function subject(place: Place, directive: string): { place: Place; block: string; directive: string } {
	return { place, block: "", directive };
}

function firstWord(text: string): string {
	return /^\S*/.exec(text)?.[0] ?? "";
}

function hiddenIfSecret(line: string, word: string): string {
	return /^auth_(?:pass|hmac)/.test(line) ? `${word.length} characters long` : JSON.stringify(word);
}

export function directoryOf(path: string): string {
	const slash = path.lastIndexOf("/");
	return slash < 0 ? "." : path.slice(0, slash) || "/";
}
