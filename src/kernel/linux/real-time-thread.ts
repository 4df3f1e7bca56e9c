// Puts the calling thread before all ordinary ones, so that a busy machine delays no advert. In: a priority. Out: what was
// permitted; without CAP_SYS_NICE everything works, only later. Memory is not locked: V8 gives pages back, and aborts when it may not.

import { readFileSync } from "node:fs";
import { PR_SET_TIMERSLACK, SCHED_FIFO, SCHED_RESET_ON_FORK } from "./abi/sched.ts";
import { libc } from "./libc.ts";

const CAP_SYS_NICE = 23n;

export interface RealTimeStatus {
	readonly scheduling: "fifo" | "ordinary";
	/** What to do where something was not permitted. */
	readonly hint?: string;
}

/** 1 to 99; keepalived's advice is 50. There is no limit on its run time: the kernel would kill a busy process for that. */
export const defaultRealTimePriority = 50;

export function makeThreadRealTime(priority = defaultRealTimePriority): RealTimeStatus {
	// Otherwise the kernel may wake an ordinary thread 50 us late, to wake several at once.
	libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	const parameters = Buffer.alloc(4);
	parameters.writeInt32LE(priority);
	const isFifo = libc.sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, parameters) === 0;
	return {
		scheduling: isFifo ? "fifo" : "ordinary",
		...(!isFifo && { hint: `adverts may be late on a busy machine; ${remedy()}` }),
	};
}

function remedy(): string {
	const [, effective = "0"] = /^CapEff:\s+([0-9a-f]+)/m.exec(readFileSync("/proc/thread-self/status", "utf8")) ?? [];
	if ((BigInt(`0x${effective}`) >> CAP_SYS_NICE) % 2n === 0n)
		return "give the process CAP_SYS_NICE (systemd: LimitRTPRIO=50)";
	// sched(7): with RT_GROUP_SCHED a group has no real-time budget unless somebody gives it one.
	return "the kernel has CONFIG_RT_GROUP_SCHED, and the process's control group cpu.rt_runtime_us of 0";
}
