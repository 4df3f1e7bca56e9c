// Runs calls inside a network namespace: the thread is there only for that moment, and sockets stay where they were made
// (network_namespaces(7)). Without a path, calls run where the thread is.

import { closeSync, openSync } from "node:fs";
import { libc } from "./libc.ts";

const CLONE_NEWNET = 0x40000000;

export type RunInside = <Result>(run: () => Result) => Result;

/** Throws when the namespace is not there. The namespace is kept open, also when its name is removed meanwhile. */
export function insideNamespace(path: string | undefined): { readonly run: RunInside; close(): void } {
	if (path === undefined) return { run: (run) => run(), close: () => {} };
	const other = openSync(path, "r");
	return {
		run: (run) => {
			const own = openSync("/proc/thread-self/ns/net", "r");
			try {
				if (libc.setns(other, CLONE_NEWNET) !== 0) throw new Error(`cannot enter ${path}; run as root`);
				try {
					return run();
				} finally {
					// Not to come back would put every later socket of this thread into the wrong place.
					if (libc.setns(own, CLONE_NEWNET) !== 0) process.abort();
				}
			} finally {
				closeSync(own);
			}
		},
		close: () => closeSync(other),
	};
}
