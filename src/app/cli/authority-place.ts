// Where commands that work on the certificate authority itself find it: a directory that the control planes share, or the Secret of
// those on Kubernetes, with the rights of whoever types the command.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { PlugInMirror } from "../../kubernetes/authority/plug-in-mirror.ts";
import { SecretDirectory } from "../../kubernetes/authority/secret-directory.ts";
import { TransportError } from "../../kubernetes/client/kubernetes-client.ts";
import { Refused } from "../../kubernetes/client/refused.ts";
import { AccessError } from "../../kubernetes/client/server-access.ts";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { authoritySecret, authoritySecretType, plugInSecret } from "../kubernetes/authority-names.ts";
import { defaultKubernetesControl } from "../kubernetes/kubernetes-control-options.ts";
import { openKubernetes } from "../kubernetes/open-kubernetes.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { type KubernetesFlags, kubernetesAccess, withKubernetesFlags } from "./kubernetes-flags.ts";

export interface AuthorityPlaceFlags extends KubernetesFlags {
	readonly ca?: string;
	readonly systemNamespace: string;
}

export interface AuthorityPlace {
	readonly directory: string;
	/** Files of a plugged-in authority, where its place is known. */
	readonly plugInDirectory?: string;
	/** As a sentence calls it. */
	readonly name: string;
}

export function withAuthorityPlace(command: Command): Command {
	command.option("--ca <dir>", "directory of the certificate authority that the control planes share");
	return withKubernetesFlags(command, "the authority of the control planes of a cluster, instead of --ca")
		.option("--system-namespace <name>", "where Keepmesh itself lives", defaultKubernetesControl.namespace)
		.optionsGroup("Options:");
}

/** The flags again, for the next command to type. */
export function placeFlags({ ca, kubernetes, systemNamespace }: AuthorityPlaceFlags): string {
	if (!kubernetes) return `--ca ${ca}`;
	const isDefault = systemNamespace === defaultKubernetesControl.namespace;
	return isDefault ? "--kubernetes" : `--kubernetes --system-namespace ${systemNamespace}`;
}

/** What it changes counts when this resolves. On Kubernetes it may run again, when somebody else changed the authority meanwhile. */
export async function onAuthority<Result>(
	flags: AuthorityPlaceFlags,
	run: (place: AuthorityPlace) => Result,
): Promise<Result> {
	const { ca, kubernetes } = flags;
	if ((ca === undefined) === (kubernetes !== true))
		throw new CliError(
			exitCodes.usage,
			"say where the authority is: either --ca DIR, or --kubernetes",
			"keepmesh token list --ca /var/lib/keepmesh-control/ca",
		);
	if (ca === undefined) return inCluster(flags, run);
	if (existsSync(ca)) return run({ directory: ca, name: ca });
	throw new CliError(exitCodes.noInput, `there is no directory ${ca}`, `ls ${join(ca, "..")}`);
}

async function inCluster<Result>(flags: AuthorityPlaceFlags, run: (place: AuthorityPlace) => Result): Promise<Result> {
	const { systemNamespace: namespace } = flags;
	const scratch = mkdtempSync(join(tmpdir(), "keepmesh-authority-"));
	try {
		const client = openKubernetes(kubernetesAccess(flags), "cli");
		const parts = { client, clock: realClock, log: silentLog };
		const place = { namespace, name: authoritySecret, type: authoritySecretType };
		const shared = new SecretDirectory({ ...place, directory: join(scratch, "ca") }, parts);
		const plugIn = new PlugInMirror({ namespace, name: plugInSecret, directory: join(scratch, plugInSecret) }, parts);
		await plugIn.load();
		await shared.load();
		if (!shared.exists)
			throw new CliError(
				exitCodes.noInput,
				`there is no ${shared.where}: a control plane makes it at its first start`,
				`kubectl -n ${namespace} get pods,secrets`,
			);
		const given = plugIn.exists ? { plugInDirectory: plugIn.directory } : {};
		const done = await shared.transact((directory) => run({ directory, name: shared.where, ...given }));
		client.close();
		if (done.ok) return done.result;
		throw new CliError(exitCodes.unavailable, `${shared.where} is being changed all the time`, "try again");
	} catch (error) {
		throw translated(error, namespace);
	} finally {
		rmSync(scratch, { recursive: true, force: true });
	}
}

function translated(error: unknown, namespace: string): unknown {
	if (error instanceof AccessError) return new CliError(exitCodes.noInput, error.message, "--kubeconfig FILE");
	if (error instanceof Refused)
		return new CliError(exitCodes.noPermission, error.message, `kubectl -n ${namespace} auth can-i update secrets`);
	if (error instanceof TransportError)
		return new CliError(exitCodes.unavailable, error.message, "kubectl get --raw /readyz");
	return error;
}
