// Puts the calling thread before all ordinary ones, so that a busy machine delays no advert. In: a priority. Out: what was
// permitted; without CAP_SYS_NICE everything works, only later. Memory is not locked: V8 gives pages back, and aborts when it may not.

import { PR_SET_TIMERSLACK, SCHED_FIFO, SCHED_RESET_ON_FORK } from "./abi/sched.ts";
import { libc } from "./libc.ts";

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
		...(!isFifo && {
			hint: "adverts may be late on a busy machine; give the process CAP_SYS_NICE (systemd: LimitRTPRIO=50)",
		}),
	};
}
