// A process of a megabyte (sh) that waits on a pipe for this one to end. Killed processes cannot clean up: then it removes the
// addresses that were left, so that this machine does not answer for what another one owns by then.

import type { ChildProcess } from "node:child_process";
import { join } from "node:path";

/** Reads one word; without it the pipe was closed by a death. The shell's `read` costs nothing while it waits. */
const script = 'read -r word; [ "$word" = done ] || exec "$@"';

export interface Watchdog {
	/** Everything was removed in order: there is nothing to clean up. */
	dismiss(): void;
}

export async function startWatchdog(state: string): Promise<Watchdog> {
	const { spawn } = await import("node:child_process");
	const program = join(import.meta.dirname, "../../../bin/keepmesh.ts");
	const args = [process.execPath, "--no-warnings", program, "vip", "clean-up", "--state", state];
	const child: ChildProcess = spawn("/bin/sh", ["-c", script, "keepmesh-vip-watchdog", ...args], {
		// A session of its own: what is sent to our group does not reach it.
		detached: true,
		stdio: ["pipe", "ignore", "inherit"],
		cwd: "/",
	});
	child.unref();
	child.on("error", () => undefined);
	const pipe = child.stdin;
	pipe?.on("error", () => undefined);
	// The pipe must not keep this process running.
	if (pipe && "unref" in pipe && typeof pipe.unref === "function") pipe.unref();
	return { dismiss: () => void pipe?.end("done\n") };
}
