// A release of Helm that is in the middle of a change: somebody makes it now, or was killed while he did. Helm refuses another change
// until that one is undone.

import { CliError, exitCodes } from "../cli/cli-error.ts";
import { say } from "../cli/terminal.ts";
import { type HelmRelease, runHelm, versionInForce } from "./run-helm.ts";

/** Rejects with CliError, unless it is `forced`: then the change is undone. */
export async function takeOver(release: HelmRelease, forced: boolean, access: readonly string[]): Promise<void> {
	const { name, namespace, status, updated } = release;
	if (!status.startsWith("pending")) return;
	if (!forced)
		throw new CliError(
			exitCodes.unavailable,
			`release ${namespace}/${name} is ${status} since ${updated.slice(0, 19)}: somebody changes it, or was interrupted`,
			"wait for the other; or, if there is none, the same again with --force",
		);
	const inForce = await versionInForce(release, access);
	const undo = inForce === undefined ? ["uninstall", name] : ["rollback", name, inForce];
	say(`release ${namespace}/${name} was left ${status}: helm ${undo.join(" ")}`);
	await runHelm([...undo, "--namespace", namespace, ...access]);
}
