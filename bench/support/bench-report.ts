// What every benchmark says in the end: a table for people, JSON for machines, and on what machine it ran.

import { writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";

export interface Spread {
	readonly min: number;
	readonly median: number;
	readonly max: number;
	readonly samples: number;
}

/** Throws without samples: a figure nobody measured is no figure. */
export function spreadOf(values: readonly number[]): Spread {
	const sorted = [...values].sort((a, b) => a - b);
	const [min, median, max] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
	if (min === undefined || median === undefined || max === undefined) throw new Error("no samples");
	return { min, median, max, samples: sorted.length };
}

export interface BenchRow {
	readonly what: string;
	readonly unit: string;
	readonly spread: Spread;
	/** What it should reach, in words: `<= 20`. */
	readonly target?: string;
}

/** Prints the table; with `--json FILE` among the arguments also writes it. */
export function reportBench(
	name: string,
	rows: readonly BenchRow[],
	args: readonly string[] = process.argv.slice(2),
): void {
	const cells = [
		["what", "unit", "min", "median", "max", "samples", "target"],
		...rows.map((row) => [
			row.what,
			row.unit,
			digits(row.spread.min),
			digits(row.spread.median),
			digits(row.spread.max),
			String(row.spread.samples),
			row.target ?? "",
		]),
	];
	const widths = cells[0]?.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0))) ?? [];
	const machine = machineFacts();
	console.log(
		`${name}: ${machine.cores} cores (${machine.cpu}), kernel ${machine.kernel}, load ${machine.load1m}, Node ${machine.node}`,
	);
	for (const line of cells)
		console.log(
			line
				.map((cell, column) => cell.padEnd(widths[column] ?? 0))
				.join("  ")
				.trimEnd(),
		);
	const file = args[args.indexOf("--json") + 1];
	if (args.includes("--json") && file)
		writeFileSync(file, `${JSON.stringify({ name, machine, rows }, undefined, 2)}\n`);
}

export function machineFacts() {
	return {
		cpu: cpus()[0]?.model ?? "unknown",
		cores: cpus().length,
		memoryMb: Math.round(totalmem() / 2 ** 20),
		kernel: release(),
		node: process.version,
		load1m: Number((loadavg()[0] ?? 0).toFixed(2)),
	};
}

function digits(value: number): string {
	return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
