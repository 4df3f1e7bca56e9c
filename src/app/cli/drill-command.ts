// keepmesh drill NAME|all|list: breaks or replaces something for real under load, and prints what the callers noticed.

import { Command, InvalidArgumentError } from "commander";
import type { Drill } from "../../lab/drill/drill.ts";
import { drillList } from "../../lab/drill/drill-list.ts";
import { type DrillLine, runDrills } from "../../lab/drill/run-drills.ts";
import type { Lab } from "../../lab/lab.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { needRoot } from "./need-root.ts";
import { paint, print, renderTable, say } from "./terminal.ts";

interface DrillFlags {
	readonly runs: number;
	readonly json?: boolean;
	readonly lab?: string;
	readonly rate: number;
	readonly keep?: boolean;
}

const ownLab = `drill${process.pid % 100_000}`;

export function drillCommand(): Command {
	return new Command("drill")
		.description("Breaks or replaces something for real under load, in a lab of its own, and prints what was noticed.")
		.argument("<name...>", `${drillList.map(({ name }) => name).join(", ")}; all; list`)
		.option("--runs <n>", "how often each", positive, 1)
		.option("--rate <n>", "requests a second", positive, 500)
		.option("--json", "one line of JSON for each run")
		.option("--lab <name>", "in this running lab, with the drills' mesh added to it")
		.option("--keep", "leave the lab up afterwards")
		.action(drill);
}

async function drill(names: readonly string[], flags: DrillFlags): Promise<void> {
	if (names.includes("list")) {
		if (flags.json) print(JSON.stringify(drillList.map(({ name, summary, bars }) => ({ name, summary, bars }))));
		else print(renderTable(["DRILL", "BARS", "WHAT IT DOES"], drillList.map(describe)));
		return;
	}
	const drills = names.includes("all") ? drillList : names.map(drillNamed);
	needRoot("drill");
	const stopWatching = flags.lab === undefined ? downOnSignal(ownLab) : () => {};
	const lab = await bringUp(flags);
	const { labDrillMesh } = await import("../drill/lab-drill-mesh.ts");
	const mesh = labDrillMesh(lab, { ratePerSecond: flags.rate });
	let lines: readonly DrillLine[];
	try {
		lines = await runDrills(drills, { runs: flags.runs }, mesh, {
			begins: ({ name }, run) => say(`${name}${flags.runs > 1 ? ` ${run}/${flags.runs}` : ""} ...`),
			ends: ({ figures, missed }) => {
				if (flags.json) print(JSON.stringify(figures));
				for (const what of missed) say(`  ${paint("red", "missed", process.stderr)}: ${what}`);
			},
		});
	} finally {
		mesh.close?.();
		if (flags.lab === undefined && !flags.keep) await lab.down();
		stopWatching();
	}
	if (!flags.json) print(renderTable(header, lines.map(cellsOf)));
	const missed = lines.filter((line) => line.missed.length > 0);
	if (missed.length > 0) {
		const which = [...new Set(missed.map(({ figures }) => figures.drill))].join(", ");
		throw new CliError(exitCodes.failure, `bars were missed: ${which}`, `keepmesh drill ${which.split(",")[0]} --keep`);
	}
}

const header = [
	"DRILL",
	"RUN",
	"SENT",
	"LOST",
	"GAP MAX",
	"DETECT",
	"CONVERGE",
	"RESTORE",
	"WRONG",
	"BASELINE GAP",
	"",
];

function cellsOf({ figures, missed }: DrillLine): readonly string[] {
	const ms = (value: number | null): string => (value === null ? "-" : `${value} ms`);
	const { drill, run, sent, lost, wrong } = figures;
	return [
		drill,
		`${run}`,
		`${sent}`,
		`${lost}`,
		ms(figures.gapMaxMs),
		ms(figures.detectMs),
		ms(figures.convergeMs),
		ms(figures.restoreMs),
		`${wrong}`,
		ms(figures.baselineGapMs),
		missed.length === 0 ? paint("green", "good") : paint("red", "missed"),
	];
}

function describe({ name, summary, bars }: Drill): readonly string[] {
	return [
		name,
		Object.entries(bars)
			.map(([bar, most]) => `${bar} <= ${most}`)
			.join(", "),
		summary,
	];
}

function drillNamed(name: string): Drill {
	const found = drillList.find((one) => one.name === name);
	if (found) return found;
	throw new CliError(exitCodes.usage, `there is no drill "${name}"`, "keepmesh drill list");
}

async function bringUp(flags: DrillFlags): Promise<Lab> {
	const { serveDrillMesh, startDrillLab } = await import("../drill/drill-lab.ts");
	if (flags.lab !== undefined) {
		const { Lab } = await import("../../lab/lab.ts");
		const lab = new Lab(flags.lab);
		await serveDrillMesh(lab);
		return lab;
	}
	say("a lab is brought up ...");
	return await startDrillLab({ name: ownLab });
}

/** An interrupted drill leaves nothing behind. Returns what ends the watch. */
function downOnSignal(name: string): () => void {
	const signals = { SIGINT: 130, SIGTERM: 143 } as const;
	const down = (signal: keyof typeof signals): void => {
		say("interrupted: the lab is taken down ...");
		void import("../../lab/lab.ts")
			.then(({ Lab }) => new Lab(name).down())
			.catch((error: unknown) => say(`lab ${name} may be left: ${error}; next: keepmesh lab down --name ${name}`))
			.finally(() => process.exit(signals[signal]));
	};
	for (const signal of Object.keys(signals)) process.once(signal, down);
	return () => {
		for (const signal of Object.keys(signals)) process.off(signal, down);
	};
}

function positive(text: string): number {
	const value = Number(text);
	if (Number.isInteger(value) && value > 0 && value <= 10_000) return value;
	throw new InvalidArgumentError("give a whole number from 1 to 10000");
}
