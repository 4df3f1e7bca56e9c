// A TCP connection made from inside another network namespace, without a process there: the thread enters the namespace for
// the moment of socket(2) only, and a socket stays in the namespace that it was made in (network_namespaces(7)).

import { closeSync, openSync } from "node:fs";
import { Socket } from "node:net";
import koffi from "koffi";

const cloneNewNet = 0x40000000;
const inet = 2;
const stream = 1;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;

let system: { readonly setns: (fd: number, type: number) => number; readonly socket: (...args: number[]) => number };

function systemCalls(): typeof system {
	if (!system) {
		const library = koffi.load(null);
		system = {
			setns: library.func("int setns(int fd, int nstype)"),
			socket: library.func("int socket(int domain, int type, int protocol)"),
		};
	}
	return system;
}

/** An unconnected TCP socket (IPv4) of the namespace; call `connect` on it. Throws when the namespace is gone. */
export function socketInNamespace(netnsPath: string): Socket {
	const { setns, socket } = systemCalls();
	const own = openSync("/proc/thread-self/ns/net", "r");
	try {
		const other = openSync(netnsPath, "r");
		try {
			if (setns(other, cloneNewNet) !== 0) throw new Error(`cannot enter ${netnsPath}`);
		} finally {
			closeSync(other);
		}
		let fd: number;
		try {
			fd = socket(inet, stream | nonBlocking | closeOnExec, 0);
		} finally {
			// Not to come back would put every later socket of this process into the wrong place.
			if (setns(own, cloneNewNet) !== 0) process.abort();
		}
		if (fd < 0) throw new Error(`no socket in ${netnsPath}`);
		return new Socket({ fd, readable: true, writable: true });
	} finally {
		closeSync(own);
	}
}

/** Connects, or fails after `timeoutMs`. */
export function connectInNamespace(
	netnsPath: string,
	target: { readonly host: string; readonly port: number; readonly localPort?: number },
	timeoutMs: number,
): Promise<Socket> {
	return new Promise((resolve, reject) => {
		const socket = socketInNamespace(netnsPath);
		const timer = setTimeout(() => socket.destroy(new Error("connection timed out")), timeoutMs);
		socket.once("error", (error) => {
			clearTimeout(timer);
			reject(error);
		});
		socket.connect(target, () => {
			clearTimeout(timer);
			resolve(socket);
		});
	});
}
