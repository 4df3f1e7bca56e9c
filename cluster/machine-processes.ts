// The processes of a machine: those in its cgroups, and so everything that was started for it, containers included, and nothing
// else. See cgroups(7).

import { readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CgroupHierarchy, machineCgroup } from "./plan/cgroup-directories.ts";
import type { MachineShape } from "./plan/cluster-shape.ts";

const endsWithinMs = 20_000;

/** Process ids, of the machine and of its pods. */
export function processesOf(machine: MachineShape, hierarchies: readonly CgroupHierarchy[]): readonly number[] {
	const found = new Set<number>();
	for (const hierarchy of hierarchies)
		for (const directory of cgroupTree(machineCgroup(hierarchy, machine.id)))
			for (const line of readLines(join(directory, "cgroup.procs"))) found.add(Number(line));
	// 0 stands for a process of another PID namespace.
	found.delete(0);
	return [...found];
}

/** The process that is number 1 in a node, if the node runs. */
export function findFirstProcess(node: MachineShape, hierarchies: readonly CgroupHierarchy[]): number | undefined {
	return processesOf(node, hierarchies).find((pid) => {
		const ids = /^NSpid:\t(.*)$/m.exec(readText(`/proc/${pid}/status`))?.[1]?.split("\t") ?? [];
		return ids.length === 2 && ids[1] === "1";
	});
}

/** SIGKILL to all of them until none is left; then their cgroups go. Throws when they do not. */
export async function endMachine(machine: MachineShape, hierarchies: readonly CgroupHierarchy[]): Promise<void> {
	const untilMs = performance.now() + endsWithinMs;
	for (;;) {
		for (const pid of processesOf(machine, hierarchies)) kill(pid);
		const left = hierarchies.map((hierarchy) => machineCgroup(hierarchy, machine.id)).filter((path) => !remove(path));
		if (left.length === 0) return;
		if (performance.now() > untilMs) throw new Error(`${machine.id} does not end: ${left.join(", ")} is in use`);
		await sleep(20);
	}
}

function kill(pid: number): void {
	try {
		process.kill(pid, "SIGKILL");
	} catch {
		// It ended by itself.
	}
}

/** False while it, or one below it, is in use. */
function remove(directory: string): boolean {
	for (const path of cgroupTree(directory).toReversed()) {
		try {
			rmdirSync(path);
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== "ENOENT") return false;
		}
	}
	return true;
}

/** The directory and all below it, parents first; empty when it is not there. */
function cgroupTree(directory: string): readonly string[] {
	try {
		const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
		return [directory, ...below.flatMap(({ name }) => cgroupTree(join(directory, name)))];
	} catch {
		return [];
	}
}

const readLines = (file: string): readonly string[] =>
	readText(file)
		.split("\n")
		.filter((line) => line !== "");

function readText(file: string): string {
	try {
		return readFileSync(file, "utf8");
	} catch {
		return "";
	}
}
