// For users who are not root: says what the kernel and the machine allow, and what to type. A user namespace serves only
// when Envoy's own user id (1337) can be mapped into it, by newuidmap and a range in /etc/subuid.

import { CliError, exitCodes } from "./cli/cli-error.ts";

export async function enterUserNamespace(): Promise<number> {
	throw new CliError(
		exitCodes.noPermission,
		"a lab makes network namespaces, which needs root",
		`sudo ${process.argv.length > 2 ? `./keepmesh ${process.argv.slice(2).join(" ")}` : "./keepmesh demo"}`,
	);
}
