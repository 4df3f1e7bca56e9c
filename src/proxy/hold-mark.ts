// A hook that holds the application back, as the proxy beside it in the container sees it: a file with the hook's process id. A
// kubelet that is restarted loses its hooks, and takes a proxy that runs for one that is ready; so a proxy whose hook was lost before
// it is Envoy ends, and is started again with another one. Once it is Envoy the node's agent looks after that.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const markIn = (directory: string): string => join(directory, "hold");

export function markHold(directory: string): void {
	try {
		writeFileSync(markIn(directory), String(process.pid), { mode: 0o600 });
	} catch {
		// Only the proxy of a template of the mesh's own may have no such directory.
	}
}

export function clearHold(directory: string): void {
	rmSync(markIn(directory), { force: true });
}

/** There was a hook, and it has ended without clearing its mark. */
export function isHoldLost(directory: string): boolean {
	try {
		process.kill(Number(readFileSync(markIn(directory), "utf8")), 0);
		return false;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "ESRCH";
	}
}
