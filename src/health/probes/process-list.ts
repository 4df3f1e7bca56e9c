// Which processes run, as /proc tells: those that a check means, by name or by their command line (vrrp_track_process).

import { readdirSync, readFileSync } from "node:fs";
import type { TrackerCheck } from "../../vip/vip-config.ts";

export type ProcessCheck = Extract<TrackerCheck, { type: "process" }>;

export function findMatching(check: ProcessCheck): readonly number[] {
	return readdirSync("/proc")
		.filter((name) => /^\d+$/.test(name))
		.map(Number)
		.filter((pid) => matchesProcess(check, pid));
}

/** A zombie has no command line and matches nothing by it; by name it is told by its state. */
export function matchesProcess(check: ProcessCheck, pid: number): boolean {
	try {
		if (!check.fullCommand && !check.arguments) {
			const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
			const end = stat.lastIndexOf(")");
			const state = stat[end + 2];
			// The kernel keeps 15 bytes of a name.
			const wanted = basenameOf(check.name).slice(0, 15);
			return stat.slice(stat.indexOf("(") + 1, end) === wanted && state !== "Z" && state !== "X";
		}
		const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
		const [program, ...args] = words;
		if (program === undefined) return false;
		const named = check.name.includes("/") ? program === check.name : basenameOf(program) === check.name;
		return named && argumentsMatch(check, args);
	} catch {
		return false;
	}
}

function argumentsMatch(check: ProcessCheck, args: readonly string[]): boolean {
	const wanted = check.arguments ?? [];
	if (check.arguments === undefined) return true;
	const same = (word: string, index: number): boolean => word === args[index];
	const last = wanted.length - 1;
	const match = check.argumentMatch ?? "exact";
	switch (match) {
		case "exact":
			return wanted.length === args.length && wanted.every(same);
		case "initial":
			return wanted.every(same);
		case "partial":
			return wanted.every((word, index) => same(word, index) || (index === last && args[index]?.startsWith(word)));
		default:
			return match satisfies never;
	}
}

const basenameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
