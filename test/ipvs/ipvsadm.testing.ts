// What Debian's ipvsadm says of a namespace's virtual servers: the witness that is not ours.

import { execFileSync } from "node:child_process";

export function run(...command: readonly string[]): string {
	const [program = "", ...rest] = command;
	return execFileSync(program, rest, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Each rule as its own line of `ipvsadm -Sn`, sorted; without the commands' dashes it would not be its own. */
export function saved(namespace: string): readonly string[] {
	return run("ip", "netns", "exec", namespace, "ipvsadm", "-Sn")
		.trim()
		.split("\n")
		.filter((line) => line !== "")
		.sort();
}
