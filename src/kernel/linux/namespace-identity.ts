// Tells one network namespace from every other, also from a later one with the same path or the same inode. In: its path. Out: a
// text. The kernel gives each namespace a number that it does not use again until the machine starts anew (SO_NETNS_COOKIE).

import { readFileSync, statSync } from "node:fs";
import { errorNumber, libc } from "./libc.ts";
import { insideNamespace } from "./network-namespace.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_NETNS_COOKIE = 71;

export interface NamespaceIdentity {
	/** The machine's start, the namespace's number, its inode. */
	readonly id: string;
	readonly inode: number;
}

/** Undefined when there is no such namespace; throws where this process may not enter it. */
export function namespaceIdentity(path: string): NamespaceIdentity | undefined {
	const inode = statSync(path, { throwIfNoEntry: false })?.ino;
	if (inode === undefined) return undefined;
	const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
	const inside = insideNamespace(path);
	try {
		return { id: `${boot}/${inside.run(cookie)}/${inode}`, inode };
	} finally {
		inside.close();
	}
}

function cookie(): string {
	const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) throw new Error(`socket: errno ${errorNumber()}`);
	try {
		const value = Buffer.alloc(8);
		const length = Buffer.from(Uint32Array.of(8).buffer);
		// Kernels before 5.14 have none: there the inode must do.
		if (libc.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, value, length) !== 0) return "-";
		return String(value.readBigUInt64LE());
	} finally {
		libc.close(fd);
	}
}
