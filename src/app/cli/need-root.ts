// For users who are not root: what a lab needs it for, and the line to type.

import { CliError, exitCodes } from "./cli-error.ts";

/** Throws unless this process is root. `command`: how it was called, `lab up --nodes 5`. */
export function needRoot(command: string): void {
	if (process.getuid?.() === 0) return;
	throw new CliError(
		exitCodes.noPermission,
		"a lab makes network namespaces and runs Envoy as a user of its own, which needs root",
		`sudo ./keepmesh ${command}`,
	);
}
