// Problems as a text that people read: file:line:column first, so that terminals and editors can jump there.

import type { Problem } from "./problem.ts";

export interface RenderOptions {
	/** ANSI colours, for terminals. */
	readonly colour: boolean;
}

/** One block for each problem, in the order given, and a summary line; ends with a line break. */
export function renderProblems(problems: readonly Problem[], options: RenderOptions): string {
	const paint = options.colour ? colours : plain;
	const blocks = problems.map((problem) => renderProblem(problem, paint));
	return `${[...blocks, summaryOf(problems)].join("\n")}\n`;
}

type Paint = Readonly<Record<"error" | "warning" | "place" | "faint", (text: string) => string>>;

const ansi = (code: number) => (text: string) => `\u001b[${code}m${text}\u001b[0m`;
const colours: Paint = { error: ansi(31), warning: ansi(33), place: ansi(1), faint: ansi(2) };
const same = (text: string): string => text;
const plain: Paint = { error: same, warning: same, place: same, faint: same };

function renderProblem(problem: Problem, paint: Paint): string {
	const { origin, severity, resource, path, message, hint, code } = problem;
	const place = paint.place(oneLine(`${origin.file}:${origin.line}:${origin.column}`));
	const parts = [place, paint[severity](severity), oneLine(resource), oneLine(path)];
	const head = parts.filter((part) => part !== "").join("  ");
	const lines = [head, `  ${oneLine(message)}${code === undefined ? "" : ` ${paint.faint(`[${code}]`)}`}`];
	if (hint !== "") lines.push(`  ${paint.faint("hint:")} ${oneLine(hint)}`);
	return lines.join("\n");
}

/** Texts from files must not move the cursor of a terminal. */
function oneLine(text: string): string {
	// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
	return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}

function summaryOf(problems: readonly Problem[]): string {
	const errors = problems.filter((problem) => problem.severity === "error").length;
	if (problems.length === 0) return "no problems";
	return `${countOf(errors, "error")}, ${countOf(problems.length - errors, "warning")}`;
}

function countOf(count: number, what: string): string {
	return `${count} ${what}${count === 1 ? "" : "s"}`;
}
