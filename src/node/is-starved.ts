// Tells a proxy that hangs from one that waits for a processor. In: a process id, twice. Out: how long its workers have run, and
// whether one of them waited to run between the two looks, and hardly did. See proc_pid_stat(5), and schedstat in sched-stats.

import { readdirSync, readFileSync } from "node:fs";

/** One look; undefined where the process cannot be looked at. */
export interface ProcessorLook {
	readonly atMs: number;
	/** By thread. */
	readonly workers: ReadonlyMap<string, WorkerTimes>;
}

export interface WorkerTimes {
	/** Until now. */
	readonly ranMs: number;
	/** For how long it has waited for a processor until it last got one. */
	readonly waitedMs: number;
	/** It would run if it could. */
	readonly isRunnable: boolean;
}

/** As Envoy names its threads. */
const workerName = /^wrk:worker/;
/** Of the time between two looks: who got less was waiting for others. */
const leastShare = 0.5;

export function lookAtWorkers(pid: number, atMs: number): ProcessorLook | undefined {
	const workers = new Map<string, WorkerTimes>();
	try {
		for (const thread of readdirSync(`/proc/${pid}/task`)) {
			const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1");
			const end = stat.lastIndexOf(")");
			if (!workerName.test(stat.slice(stat.indexOf("(") + 1, end))) continue;
			const times = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ");
			const [ranMs = 0, waitedMs = 0] = times.map((ns) => Number(ns) / 1e6);
			workers.set(thread, { ranMs, waitedMs, isRunnable: stat[end + 2] === "R" });
		}
	} catch {
		return undefined;
	}
	return { atMs, workers };
}

/** One that hangs does not, unless it turns in a circle. False as well where nobody can tell. */
export function wouldRun(look: ProcessorLook | undefined): boolean {
	return look !== undefined && [...look.workers.values()].some(({ isRunnable }) => isRunnable);
}

/** False as well where nobody can tell: then it counts as hung. */
export function isStarved(before: ProcessorLook | undefined, now: ProcessorLook | undefined): boolean {
	if (!before || !now) return false;
	const share = leastShare * (now.atMs - before.atMs);
	return [...now.workers].some(([thread, { ranMs, waitedMs, isRunnable }]) => {
		const earlier = before.workers.get(thread);
		if (!earlier) return false;
		return waitedMs - earlier.waitedMs > share || (isRunnable && ranMs - earlier.ranMs < share);
	});
}
