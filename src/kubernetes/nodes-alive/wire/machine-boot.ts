// Tells one boot of a machine from another: the kernel's own id of its boot, and when its first process began, which also tells
// machines apart that share a kernel. Seen from a Pod this needs hostPID.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

export function machineBoot(): bigint {
	const hash = createHash("sha256").update(readFileSync("/proc/sys/kernel/random/boot_id"));
	const stat = readFileSync("/proc/1/stat", "latin1");
	// proc_pid_stat(5): `starttime` is the 22nd field, the 20th after the name.
	hash.update(
		stat
			.slice(stat.lastIndexOf(")") + 2)
			.split(" ")
			.at(19) ?? "",
	);
	return hash.digest().readBigUInt64BE();
}
