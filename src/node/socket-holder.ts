// Which process has a Unix socket: a bound name comes in (a path, or @NAME for an abstract one), a process id with its command line
// goes out. From /proc/net/unix and /proc/PID/fd, so that of others' processes only root knows.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface SocketHolder {
	readonly pid: number;
	/** Its arguments with blanks between. */
	readonly command: string;
}

/** Undefined when there is none, or it cannot be seen. */
export function socketHolder(name: string): SocketHolder | undefined {
	const inodes = new Set(boundInodes(name).map((inode) => `socket:[${inode}]`));
	if (inodes.size === 0) return undefined;
	for (const entry of orNone(() => readdirSync("/proc"))) {
		if (!/^\d+$/.test(entry)) continue;
		const descriptors = orNone(() => readdirSync(`/proc/${entry}/fd`));
		if (!descriptors.some((fd) => orNone(() => [readlinkSync(`/proc/${entry}/fd/${fd}`)]).some((to) => inodes.has(to))))
			continue;
		const [line = ""] = orNone(() => [readFileSync(`/proc/${entry}/cmdline`, "utf8")]);
		return { pid: Number(entry), command: line.split("\0").join(" ").trim() };
	}
	return undefined;
}

/** Accepted connections have the listener's name as well, and belong to the same process. */
function boundInodes(name: string): readonly string[] {
	const [text = ""] = orNone(() => [readFileSync("/proc/net/unix", "utf8")]);
	return text.split("\n").flatMap((line) => {
		const [, inode, path] = /^(?:\S+ +){6}(\d+) (.+)$/.exec(line.replace(/ +/g, " ")) ?? [];
		return inode !== undefined && path === name ? [inode] : [];
	});
}

/** A process may end while it is looked at. */
function orNone(read: () => readonly string[]): readonly string[] {
	try {
		return read();
	} catch {
		return [];
	}
}
