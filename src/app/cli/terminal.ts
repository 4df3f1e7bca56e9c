// What a command may print: JSON or a table alone on stdout, prose on stderr, colour only where a person looks.

import type { Problem } from "../../resources/problem.ts";
import { renderProblems } from "../../resources/render-problems.ts";

export type Colour = "red" | "green" | "yellow" | "grey" | "bold";

const codes: Readonly<Record<Colour, string>> = { red: "31", green: "32", yellow: "33", grey: "90", bold: "1" };

/** A terminal, and NO_COLOR is not set (https://no-color.org). */
export function isColourful(stream: NodeJS.WriteStream): boolean {
	return stream.isTTY === true && !process.env.NO_COLOR;
}

/** Paints only where `isColourful`. */
export function paint(colour: Colour, text: string, stream: NodeJS.WriteStream = process.stdout): string {
	return isColourful(stream) ? `\x1b[${codes[colour]}m${text}\x1b[0m` : text;
}

export function print(text: string): void {
	process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** Prose, for people: stderr. */
export function say(text: string): void {
	process.stderr.write(text.endsWith("\n") ? text : `${text}\n`);
}

export function sayProblems(problems: readonly Problem[]): void {
	if (problems.length > 0) say(renderProblems(problems, { colour: isColourful(process.stderr) }));
}

export function printJson(value: unknown): void {
	print(JSON.stringify(value, null, 2));
}

/**
 * Columns padded to their widest cell, three spaces apart, as kubectl prints them. Where they are wider than `width`, two
 * spaces apart, and the widest cells behind the first column end in an ellipsis. Default: the terminal; without one nothing is cut.
 */
export function renderTable(
	header: readonly string[],
	rows: readonly (readonly string[])[],
	width: number = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY,
): string {
	const lines = [header, ...rows];
	const needed = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
	const total = (widths: readonly number[], gap: number): number =>
		widths.reduce((sum, one) => sum + one, 0) + gap * (widths.length - 1);
	const gap = total(needed, 3) > width ? 2 : 3;
	const widths = fitted(needed, header, width - gap * (needed.length - 1));
	return lines
		.map((line) =>
			line
				.map((cell, column) => cutTo(cell, widths[column] ?? cell.length).padEnd(widths[column] ?? 0))
				.join(" ".repeat(gap))
				.trimEnd(),
		)
		.join("\n");
}

/** What a cut cell keeps at least: enough to tell one from another. */
const leastCell = 12;

/** The first column says what a line is about and is copied from: it stays whole. */
function fitted(needed: readonly number[], header: readonly string[], room: number): readonly number[] {
	const widths = [...needed];
	for (let over = widths.reduce((sum, one) => sum + one, 0) - room; over > 0; over--) {
		const cuttable = widths
			.map((width, column) => ({ width, column }))
			.filter(({ width, column }) => column > 0 && width > Math.max(leastCell, header[column]?.length ?? 0));
		const [first, ...others] = cuttable;
		if (!first) break;
		const widest = others.reduce((most, one) => (one.width > most.width ? one : most), first);
		widths[widest.column] = widest.width - 1;
	}
	return widths;
}

const cutTo = (cell: string, width: number): string => (cell.length > width ? `${cell.slice(0, width - 1)}…` : cell);

/** `5s`, `3m12s`, `4h`, `12d`: ages as kubectl prints them. */
export function renderAge(ms: number): string {
	const seconds = Math.max(0, Math.floor(ms / 1000));
	if (seconds < 120) return `${seconds}s`;
	const minutes = Math.floor(seconds / 60);
	if (minutes < 10) return `${minutes}m${seconds % 60 ? `${seconds % 60}s` : ""}`;
	if (minutes < 180) return `${minutes}m`;
	const hours = Math.floor(minutes / 60);
	return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}
