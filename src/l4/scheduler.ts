// Who of the backends gets a new connection: the names LVS gives these rules, and what each needs.

/**
 * `random` and `maglev` are what nftables adds (`maglev` is IPVS's `mh`); the rest are IPVS's. nftables has random, rr, wrr, sh,
 * maglev/mh; a scheduler that counts connections (lc, wlc, sed, nq, lblc, lblcr, fo, ovf, dh, twos) needs IPVS.
 */
export const schedulerNames = [
	"random",
	"rr",
	"wrr",
	"lc",
	"wlc",
	"sed",
	"nq",
	"sh",
	"dh",
	"mh",
	"maglev",
	"lblc",
	"lblcr",
	"fo",
	"ovf",
	"twos",
] as const;

export type SchedulerName = (typeof schedulerNames)[number];

/** Those that nftables can do; a Service that asks for another one gets it only from IPVS. */
export const nftablesSchedulers: readonly SchedulerName[] = ["random", "rr", "wrr", "sh", "mh", "maglev"];
