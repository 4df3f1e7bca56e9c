// Runs parts of a plan: commands one after the other, and start scripts as processes that outlive this one.

import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";

/** Throws with what the failing command printed. */
export function runCommands(commands: readonly string[]): void {
	if (commands.length === 0) return;
	execFileSync("sh", ["-e"], {
		input: `${commands.join("\n")}\n`,
		stdio: ["pipe", "ignore", "pipe"],
		env: environment(),
	});
}

export function startScript(script: string, log: string): void {
	mkdirSync(dirname(log), { recursive: true });
	const output = openSync(log, "a");
	try {
		spawn("sh", [script], { stdio: ["ignore", output, output], detached: true, cwd: "/", env: environment() }).unref();
	} finally {
		closeSync(output);
	}
}

/** What machines get: nothing of the caller's but the path. */
const environment = (): NodeJS.ProcessEnv => ({ PATH: `${process.env.PATH}:/usr/sbin:/sbin`, HOME: "/root" });
