// Servers of the test's own process that listen in another network namespace: libuv makes the listening socket while
// `listen` runs, and a socket stays in the namespace it was made in.

import { closeSync, openSync } from "node:fs";
import type { Server } from "node:net";
import koffi from "koffi";

const cloneNewNet = 0x40000000;

/** Listens on the port on all addresses of the namespace. The port must be given: no lookup may come in between. */
export function listenInNamespace(server: Server, netns: string, port: number): void {
	const setns = koffi.load(null).func("int setns(int fd, int nstype)");
	const own = openSync("/proc/thread-self/ns/net", "r");
	const other = openSync(netns, "r");
	try {
		if (setns(other, cloneNewNet) !== 0) throw new Error(`cannot enter ${netns}`);
		try {
			server.listen(port);
		} finally {
			if (setns(own, cloneNewNet) !== 0) process.abort();
		}
	} finally {
		closeSync(own);
		closeSync(other);
	}
}
