// How a block of keepalived.conf is read: a table says what each directive does; what the table does not know is an error.

import { nearestName } from "../../resources/text/nearest-name.ts";
import type { ConfFiles } from "./conf-lines.ts";
import type { Report, ReportCode, Subject } from "./conf-report.ts";
import type { Statement } from "./conf-tree.ts";

export interface BlockContext {
	readonly report: Report;
	/** `vrrp_instance VI_1` */
	readonly block: string;
	/** For values that stand in files of their own. */
	readonly files?: ConfFiles;
}

/** Reads one directive into what is being put together. */
export type Directive<Draft> = (draft: Draft, statement: Statement, context: BlockContext) => void;

/** `once`: given a second time, it takes the place of the first, without a word from keepalived. */
export type TableEntry<Draft> = Directive<Draft> | { readonly once: Directive<Draft> };

export type DirectiveTable<Draft> = Readonly<Record<string, TableEntry<Draft>>>;

export function readBlock<Draft>(
	statements: readonly Statement[],
	table: DirectiveTable<Draft>,
	draft: Draft,
	context: BlockContext,
): void {
	const seen = new Map<string, number>();
	for (const statement of statements) {
		const name = keywordOf(statement);
		const entry = Object.hasOwn(table, name) ? table[name] : undefined;
		if (!entry) {
			reportUnknown(statement, Object.keys(table), context);
			continue;
		}
		const before = seen.get(name);
		if (before !== undefined && typeof entry !== "function")
			warn(context, statement, `given before on line ${before}: this one counts`, "keep one of the two", "KM-silent");
		seen.set(name, statement.place.line);
		if (typeof entry === "function") entry(draft, statement, context);
		else entry.once(draft, statement, context);
	}
}

export function reportUnknown(statement: Statement, known: readonly string[], context: BlockContext): void {
	const name = keywordOf(statement);
	const near = nearestName(name, known);
	const where = context.block === "" ? "at the top of the file" : `in ${context.block}`;
	error(
		context,
		statement,
		`there is no directive ${JSON.stringify(name)} ${where}; keepalived passes over it`,
		near === undefined ? "take it out, or move it into the block that has it" : `did you mean ${near}?`,
	);
}

export function keywordOf(statement: Statement): string {
	return statement.words[0] ?? "";
}

export function subjectOf(context: BlockContext, statement: Statement): Subject {
	return { place: statement.place, block: context.block, directive: keywordOf(statement) };
}

export function error(
	context: BlockContext,
	statement: Statement,
	message: string,
	hint: string,
	code: ReportCode = "KA",
): undefined {
	context.report.error(subjectOf(context, statement), message, hint, code);
}

export function warn(
	context: BlockContext,
	statement: Statement,
	message: string,
	hint: string,
	code: ReportCode = "KA",
): undefined {
	context.report.warn(subjectOf(context, statement), message, hint, code);
}

/** A directive with one value: a missing value and words after it are named; given twice, the last one counts. */
export function value<Draft>(
	read: (draft: Draft, word: string, statement: Statement, context: BlockContext) => void,
): TableEntry<Draft> {
	return once((draft, statement, context) => {
		const word = oneWord(statement, context);
		if (word !== undefined) read(draft, word, statement, context);
	});
}

export function once<Draft>(read: Directive<Draft>): TableEntry<Draft> {
	return { once: read };
}

/** The only value of a directive. */
export function oneWord(statement: Statement, context: BlockContext): string | undefined {
	refuseBody(statement, context);
	const word = statement.words[1];
	if (word === undefined) {
		error(context, statement, `${keywordOf(statement)} has no value`, `write a value after ${keywordOf(statement)}`);
		return undefined;
	}
	tooMany(statement, 2, context);
	return word;
}

/** Words that keepalived does not look at. */
export function tooMany(statement: Statement, expected: number, context: BlockContext): void {
	if (statement.words.length <= expected) return;
	const extra = statement.words.slice(expected).join(" ");
	warn(
		context,
		statement,
		`${JSON.stringify(extra)} at the end is not read`,
		"take it out, or write it on a line of its own",
		"KM-silent",
	);
}

/** A directive without value that switches something. */
export function flag<Draft>(read: (draft: Draft) => void): Directive<Draft> {
	return (draft, statement, context) => {
		refuseBody(statement, context);
		tooMany(statement, 1, context);
		read(draft);
	};
}

/** `[on|off|true|false|yes|no]`, on when nothing is said. */
export function toggle<Draft>(read: (draft: Draft, on: boolean) => void): Directive<Draft> {
	return (draft, statement, context) => {
		refuseBody(statement, context);
		const word = statement.words[1];
		const on = word === undefined ? true : booleanOf(word);
		if (on === undefined)
			warn(
				context,
				statement,
				`${JSON.stringify(word)} is neither on nor off, and passed over`,
				"write on, off, true, false, yes or no",
			);
		else read(draft, on);
	};
}

export function booleanOf(word: string): boolean | undefined {
	if (["true", "on", "yes"].includes(word)) return true;
	return ["false", "off", "no"].includes(word) ? false : undefined;
}

/** A block of lines, each read by itself. */
export function lines<Draft>(read: (draft: Draft, line: Statement, context: BlockContext) => void): Directive<Draft> {
	return (draft, statement, context) => {
		if (!needsBody(statement, context)) return;
		for (const line of statement.body ?? []) {
			if (line.body)
				error(context, line, `a block inside of ${keywordOf(statement)} means nothing`, "take the braces out");
			read(draft, line, context);
		}
	};
}

/** A block with directives of its own. */
export function block<Draft>(table: DirectiveTable<Draft>): Directive<Draft> {
	return (draft, statement, context) => {
		if (needsBody(statement, context)) readBlock(statement.body ?? [], table, draft, context);
	};
}

export function needsBody(statement: Statement, context: BlockContext): boolean {
	if (statement.body) return true;
	error(context, statement, `the { of ${keywordOf(statement)} is missing`, `write ${keywordOf(statement)} { ... }`);
	return false;
}

function refuseBody(statement: Statement, context: BlockContext): void {
	if (statement.body) error(context, statement, `${keywordOf(statement)} takes no block`, "take the braces out");
}

/** Taken and without effect here: it is about mail, SNMP or keepalived's own processes. */
export const nothing: Directive<unknown> = () => {};

/** keepalived has it, Keepmesh does not: said each time. */
export function unsupported<Draft>(why: string, instead = "take it out"): Directive<Draft> {
	return (_draft, statement, context) =>
		warn(context, statement, `${keywordOf(statement)} is not supported: ${why}`, instead, "KM-unsupported");
}
