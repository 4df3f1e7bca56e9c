// Whether somebody listens on a port of another network namespace. Nothing is sent: a port that has a listener cannot be bound.

import { errorNumber, libc } from "../../kernel/linux/libc.ts";
import { insideNamespace } from "../../kernel/linux/network-namespace.ts";

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const EADDRINUSE = 98;

/** False also when the namespace is gone. */
export function listensInside(netns: string, port: number): boolean {
	try {
		const inside = insideNamespace(netns);
		try {
			return inside.run(() => isTaken(port));
		} finally {
			inside.close();
		}
	} catch {
		return false;
	}
}

function isTaken(port: number): boolean {
	const fd = libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) throw new Error(`socket: errno ${errorNumber()}`);
	try {
		// With it, neither connections that have ended are in the way nor sockets that do not listen yet.
		const yes = Buffer.from(Int32Array.of(1).buffer);
		if (libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, yes, yes.length) !== 0)
			throw new Error(`setsockopt: errno ${errorNumber()}`);
		const address = Buffer.alloc(16);
		address.writeUInt16LE(AF_INET);
		address.writeUInt16BE(port, 2);
		return libc.bind(fd, address, address.length) !== 0 && errorNumber() === EADDRINUSE;
	} finally {
		libc.close(fd);
	}
}
