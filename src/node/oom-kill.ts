// Whether the kernel itself killed a process because memory ran out. In: the kernel's count of such kills (/proc/vmstat) from
// before, and the process id. Out: what its log (/dev/kmsg) says of that process; see Documentation/ABI/testing/dev-kmsg.

import { closeSync, constants, openSync, readFileSync, readSync } from "node:fs";

/** Since the machine started; 0 where the kernel does not count them. */
export function countOomKills(): number {
	try {
		return Number(/^oom_kill (\d+)$/m.exec(readFileSync("/proc/vmstat", "latin1"))?.[1] ?? 0);
	} catch {
		return 0;
	}
}

/** Undefined when it was not, or when nobody may read the kernel's log. `before`: countOomKills() of a time when it ran. */
export function oomKillOf(pid: number, before: number): string | undefined {
	// The log is read only when there is something to find: that takes milliseconds.
	if (countOomKills() <= before) return undefined;
	const wanted = new RegExp(`ut of memory[^\\n]*: Killed process ${pid} \\([^)]*\\)[^\\n]*?anon-rss:(\\d+)kB`);
	let found: string | undefined;
	for (const record of kernelLog()) {
		const rssKb = wanted.exec(record)?.[1];
		if (rssKb !== undefined)
			found = `the kernel killed it: out of memory${record.includes("Memory cgroup") ? " in its control group" : ""}, with ${Math.round(Number(rssKb) / 1024)} MiB of its own`;
	}
	return found;
}

/** One record for each read, until there are no more. */
function* kernelLog(): Generator<string> {
	let file: number;
	try {
		file = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
	} catch {
		return;
	}
	const buffer = Buffer.alloc(8192);
	try {
		for (;;) {
			try {
				yield buffer.toString("latin1", 0, readSync(file, buffer));
			} catch (error) {
				// Overwritten before it could be read: the next one is there.
				if ((error as NodeJS.ErrnoException).code !== "EPIPE") return;
			}
		}
	} finally {
		closeSync(file);
	}
}
