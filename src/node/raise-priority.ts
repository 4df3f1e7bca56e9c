// A process that carries other processes' connections gets the processor before them. In: its id. Out: nothing; where the machine
// does not permit it, it stays as it is. See sched(7): with autogroups the group's weight counts, else the nice value.

import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";

/** About ten times the weight of an ordinary process; it does not take what it does not need. */
const niceValue = -10;

/** To be called before the process has threads: they inherit it. */
export function raisePriority(pid: number): void {
	for (const raise of [
		() => setPriority(pid, niceValue),
		() => writeFileSync(`/proc/${pid}/autogroup`, String(niceValue)),
	])
		try {
			raise();
		} catch {
			// No right to, no autogroups, or it has ended.
		}
}
