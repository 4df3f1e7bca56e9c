// Tells a proxy that hangs from one that waits for a processor. In: a process id, twice. Out: how long its workers have run, and
// whether one of them was ready to run between the two looks and hardly did. See proc_pid_stat(5), and schedstat in sched-stats.

import { readdirSync, readFileSync } from "node:fs";

/** One look; undefined where the process cannot be looked at. */
export interface ProcessorLook {
	readonly atMs: number;
	/** By thread: how long it has run until now, and whether it would run if it could. */
	readonly workers: ReadonlyMap<string, { readonly ranMs: number; readonly isRunnable: boolean }>;
}

/** As Envoy names its threads. */
const workerName = /^wrk:worker/;
/** Of the time between two looks: who got less was waiting for others. */
const leastShare = 0.5;

export function lookAtWorkers(pid: number, atMs: number): ProcessorLook | undefined {
	const workers = new Map<string, { ranMs: number; isRunnable: boolean }>();
	try {
		for (const thread of readdirSync(`/proc/${pid}/task`)) {
			const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1");
			const end = stat.lastIndexOf(")");
			if (!workerName.test(stat.slice(stat.indexOf("(") + 1, end))) continue;
			const ranNs = Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]);
			workers.set(thread, { ranMs: ranNs / 1e6, isRunnable: stat[end + 2] === "R" });
		}
	} catch {
		return undefined;
	}
	return { atMs, workers };
}

/** False as well where nobody can tell: then it counts as hung. */
export function isStarved(before: ProcessorLook | undefined, now: ProcessorLook | undefined): boolean {
	if (!before || !now) return false;
	return [...now.workers].some(([thread, { ranMs, isRunnable }]) => {
		const earlier = before.workers.get(thread);
		return isRunnable && earlier !== undefined && ranMs - earlier.ranMs < leastShare * (now.atMs - before.atMs);
	});
}
