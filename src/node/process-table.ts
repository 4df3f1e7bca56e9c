// Processes as /proc tells them. A process is known by its id and the moment it started, since ids are used again.

import { readdirSync, readFileSync } from "node:fs";

export interface ProcessIdentity {
	readonly pid: number;
	/** Clock ticks from boot to the start of the process. */
	readonly startTicks: number;
}

/** Undefined when no such process runs; a zombie does not. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		// The name in parentheses may hold anything; fields count from after it: state is the third, start time the 22nd.
		const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		if (fields[0] === "Z" || fields[0] === "X") return undefined;
		return { pid, startTicks: Number(fields[19]) };
	} catch {
		return undefined;
	}
}

export function isRunning(process: ProcessIdentity): boolean {
	return identifyProcess(process.pid)?.startTicks === process.startTicks;
}

/** Processes whose command line holds each of these arguments, as whole words. */
export function findProcesses(args: readonly string[]): readonly ProcessIdentity[] {
	return readdirSync("/proc")
		.filter((name) => /^\d+$/.test(name))
		.flatMap((name) => {
			let words: readonly string[];
			try {
				words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
			} catch {
				return [];
			}
			if (!args.every((arg) => words.includes(arg))) return [];
			const found = identifyProcess(Number(name));
			return found ? [found] : [];
		});
}

/** False when the process had gone; a process that only has the same id is never hit. */
export function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): boolean {
	if (!isRunning(target)) return false;
	try {
		process.kill(target.pid, signal);
		return true;
	} catch {
		return false;
	}
}
