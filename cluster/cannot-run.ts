// Why clusters cannot run on this machine, before anything is built or installed for them.

import { readFileSync } from "node:fs";
import { readHierarchies, whyNotThese } from "./plan/cgroup-directories.ts";

/** CAP_SYS_ADMIN and CAP_NET_ADMIN, by their numbers (capabilities(7)). */
const needed = { CAP_NET_ADMIN: 12n, CAP_SYS_ADMIN: 21n };

/** Undefined when they can. */
export function whyCannotRun(): string | undefined {
	if (process.getuid?.() !== 0) return "it needs root";
	const effective = BigInt(`0x${/^CapEff:\t(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`);
	const missing = Object.entries(needed).filter(([, bit]) => (effective & (1n << bit)) === 0n);
	if (missing.length > 0) return `it needs ${missing.map(([name]) => name).join(" and ")}`;
	if (!/\toverlay$/m.test(readFileSync("/proc/filesystems", "utf8"))) return "the kernel has no overlay file system";
	return whyNotThese(readHierarchies(readFileSync("/proc/self/cgroup", "utf8")));
}
