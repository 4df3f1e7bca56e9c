// A process of a megabyte (sh) that waits on a pipe for this one to end. Killed processes cannot clean up: then it removes the
// addresses that were left within a few milliseconds, by `ip` from a list that this process keeps, and all else a moment later
// by `vip clean-up`, so that this machine does not answer for what another one owns by then.

import type { ChildProcess } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KeptAddress } from "./address-keeper.ts";

/** Reads one word; without it the pipe was closed by a death. While it waits it costs nothing. */
const script = 'read -r word; [ "$word" = done ] && exit; list=$1; shift; ip -force -batch "$list"; exec "$@"';

export interface Watchdog {
	/** What is to be removed if this process is killed has changed. Written once the events of the moment are done. */
	holdSoon(): void;
	/** Everything was removed in order: there is nothing to clean up. */
	dismiss(): void;
}

export async function startWatchdog(state: string, held: () => readonly KeptAddress[]): Promise<Watchdog> {
	const { spawn } = await import("node:child_process");
	const list = join(state, "held-addresses");
	const program = join(import.meta.dirname, "../../../bin/keepmesh.ts");
	const cleanUp = [process.execPath, "--no-warnings", program, "vip", "clean-up", "--state", state];
	writeFileSync(list, "", { mode: 0o600 });
	const child: ChildProcess = spawn("/bin/sh", ["-c", script, "keepmesh-vip-watchdog", list, ...cleanUp], {
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
	let writing: NodeJS.Immediate | undefined;
	const write = (): void => {
		writing = undefined;
		const lines = held().map(
			({ address, prefixLength, interface: on }) => `address del ${address}/${prefixLength} dev ${on}\n`,
		);
		try {
			writeFileSync(list, lines.join(""));
		} catch {
			// A full disk: the slower of the two ways is left.
		}
	};
	return {
		holdSoon: () => {
			writing ??= setImmediate(write);
		},
		dismiss: () => {
			clearImmediate(writing);
			pipe?.end("done\n");
			rmSync(list, { force: true });
		},
	};
}
