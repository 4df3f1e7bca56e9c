// Which processes live in a network namespace, told by its inode: no name can be mistaken for another's.

import { readdirSync, readlinkSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { identifyProcess, isRunning, type ProcessIdentity, signalProcess } from "../node/process-table.ts";

export function processesInNamespaces(paths: readonly string[]): readonly ProcessIdentity[] {
	const wanted = new Set<string>();
	const own = readlinkSync("/proc/self/ns/net");
	for (const path of paths) {
		const stats = statSync(path, { throwIfNoEntry: false });
		// A file that never became a namespace has the inode of a file: it can match no process but must not match by chance.
		if (stats && `net:[${stats.ino}]` !== own) wanted.add(`net:[${stats.ino}]`);
	}
	if (wanted.size === 0) return [];
	return readdirSync("/proc").flatMap((entry) => {
		if (!/^\d+$/.test(entry)) return [];
		try {
			if (!wanted.has(readlinkSync(`/proc/${entry}/ns/net`))) return [];
		} catch {
			return [];
		}
		return identifyProcess(Number(entry)) ?? [];
	});
}

/** SIGKILL, again and again until nothing is left (a process may be starting another). Throws after 5 s. */
export async function killInNamespaces(paths: readonly string[]): Promise<void> {
	const untilMs = Date.now() + 5000;
	for (;;) {
		const found = processesInNamespaces(paths);
		if (found.length === 0) return;
		if (Date.now() > untilMs) throw new Error(`processes do not end: ${found.map(({ pid }) => pid).join(", ")}`);
		for (const process of found) signalProcess(process, "SIGKILL");
		await sleep(5);
	}
}

/** SIGTERM, then SIGKILL after the grace. Resolves when it has ended. */
export async function endProcess(target: ProcessIdentity, graceMs: number): Promise<void> {
	signalProcess(target, "SIGTERM");
	const untilMs = Date.now() + graceMs;
	while (isRunning(target)) {
		if (Date.now() > untilMs) signalProcess(target, "SIGKILL");
		await sleep(10);
	}
}
