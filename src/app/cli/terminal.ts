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

/** Columns padded to their widest cell, three spaces apart, as kubectl prints them. */
export function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
	const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
	return [header, ...rows]
		.map((row) =>
			row
				.map((cell, column) => cell.padEnd(widths[column] ?? 0))
				.join("   ")
				.trimEnd(),
		)
		.join("\n");
}

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
