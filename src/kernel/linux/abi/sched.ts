// Numbers of <linux/sched.h> and <linux/prctl.h>; the same on x86_64 and arm64.

export const SCHED_FIFO = 1;
/** Threads and programs that are started from here are ordinary again. */
export const SCHED_RESET_ON_FORK = 0x40000000;
export const PR_SET_TIMERSLACK = 29;
