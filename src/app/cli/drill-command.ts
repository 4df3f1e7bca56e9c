// keepmesh drill NAME|all|list: breaks or replaces something for real under load, and prints what the callers noticed.

import { Command, InvalidArgumentError } from "commander";
import type { Drill } from "../../lab/drill/drill.ts";
import { drillList } from "../../lab/drill/drill-list.ts";
import type { DrillMesh } from "../../lab/drill/drill-mesh.ts";
import { type DrillLine, runDrills } from "../../lab/drill/run-drills.ts";
import type { Lab } from "../../lab/lab.ts";
import { onCluster } from "../drill/cluster-bars.ts";
import { kubernetesDrills } from "../drill/kubernetes-needs.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { drillsOnKubernetes, type KubernetesDrillFlags, withKubernetesDrillFlags } from "./drill-on-kubernetes.ts";
import { needRoot } from "./need-root.ts";
import { paint, print, renderTable, say } from "./terminal.ts";

interface DrillFlags extends KubernetesDrillFlags {
	readonly runs: number;
	readonly json?: boolean;
	readonly lab?: string;
	readonly rate?: number;
	readonly outage?: number;
	readonly keep?: boolean;
}

const ownLab = `drill${process.pid % 100_000}`;

export function drillCommand(): Command {
	return withKubernetesDrillFlags(new Command("drill"))
		.description("Breaks or replaces something for real under load, in a lab of its own, and prints what was noticed.")
		.argument("<name...>", `${drillList.map(({ name }) => name).join(", ")}; all; list`)
		.option("--runs <n>", "how often each", positive, 1)
		.option("--rate <n>", "requests a second (default: 500; for one workload 125 each way)", positive)
		.option("--outage <seconds>", "how long control planes stay dead in control-planes-down (default: 10)", positive)
		.option("--json", "one line of JSON for each run")
		.option("--lab <name>", "in this running lab, with the drills' mesh added to it")
		.option("--keep", "leave the lab up afterwards")
		.action(drill);
}

async function drill(names: readonly string[], flags: DrillFlags): Promise<void> {
	if (names.includes("list")) {
		const listed = drillList.filter(({ name }) => !isOnKubernetes(flags) || kubernetesDrills.includes(name));
		if (flags.json) print(JSON.stringify(listed.map(({ name, summary, bars }) => ({ name, summary, bars }))));
		else print(renderTable(["DRILL", "BARS", "WHAT IT DOES"], listed.map(describe)));
		return;
	}
	const isAll = names.includes("all");
	const drills = isAll ? drillList : names.map(drillNamed);
	if (isOnKubernetes(flags)) return drillOnKubernetes(drills, isAll, flags);
	needRoot("drill");
	const stopWatching = flags.lab === undefined ? downOnSignal(ownLab) : () => {};
	const lab = await bringUp(flags);
	const { labDrillMesh } = await import("../drill/lab-drill-mesh.ts");
	const mesh = labDrillMesh(lab, {
		ratePerSecond: flags.rate ?? 500,
		...(flags.outage === undefined ? {} : { outageMs: flags.outage * 1000 }),
	});
	await run(drills, flags, mesh, async () => {
		mesh.close?.();
		if (flags.lab === undefined && !flags.keep) await lab.down();
		stopWatching();
	});
}

const isOnKubernetes = ({ kubernetes, lab }: DrillFlags): boolean =>
	kubernetes === true || (process.env.KEEPMESH_CALLED_AS === "kubectl keepmesh" && lab === undefined);

async function drillOnKubernetes(wanted: readonly Drill[], isAll: boolean, flags: DrillFlags): Promise<void> {
	const cluster = await drillsOnKubernetes(flags);
	const names = wanted.map(({ name }) => name);
	// Of all of them those that need a lab are not worth a word each.
	const possible = isAll ? names.filter((name) => kubernetesDrills.includes(name)) : names;
	const drills = cluster.choose(possible, isAll).map((name) => onCluster(drillNamed(name)));
	const opening = cluster.open();
	let isInterrupted = false;
	// What is being made when the signal comes is taken away once it is there.
	const interrupted = (): void => {
		isInterrupted = true;
		void opening.then(({ close }) => close()).finally(() => process.exit(130));
	};
	process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
	const { close, mesh } = await opening;
	if (isInterrupted) return;
	try {
		await run(drills, flags, mesh, async () => {
			process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
			if (!flags.keep) await close();
		});
	} catch (error) {
		if (error instanceof CliError) throw error;
		const because = error instanceof Error ? error.message : String(error);
		throw new CliError(exitCodes.unavailable, because, "keepmesh check --kubernetes");
	}
}

async function run(
	drills: readonly Drill[],
	flags: DrillFlags,
	mesh: DrillMesh,
	finish: () => Promise<void>,
): Promise<void> {
	let lines: readonly DrillLine[];
	try {
		lines = await runDrills(drills, { runs: flags.runs }, mesh, {
			begins: ({ name }, number) => say(`${name}${flags.runs > 1 ? ` ${number}/${flags.runs}` : ""} ...`),
			ends: ({ figures, missed }) => {
				if (flags.json) print(JSON.stringify(figures));
				for (const what of missed) say(`  ${paint("red", "missed", process.stderr)}: ${what}`);
			},
		});
	} finally {
		await finish();
	}
	if (!flags.json) print(renderTable(header, lines.map(cellsOf)));
	const missed = lines.filter((line) => line.missed.length > 0);
	if (missed.length > 0) {
		const which = [...new Set(missed.map(({ figures }) => figures.drill))].join(", ");
		throw new CliError(
			exitCodes.failure,
			`bars were missed: ${which}`,
			`keepmesh drill ${isOnKubernetes(flags) ? "--kubernetes " : ""}${which.split(",")[0]} --keep`,
		);
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
