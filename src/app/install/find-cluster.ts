// Which cluster a command is about: --kubeconfig, else KUBECONFIG, else ~/.kube/config; --context of it. Out: a client, and the same
// as flags of helm and kubectl.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import type { Command } from "commander";
import { type KubernetesClient, openKubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { AccessError } from "../../kubernetes/client/server-access.ts";
import { CliError, exitCodes } from "../cli/cli-error.ts";

export interface ClusterFlags {
	readonly kubeconfig?: string;
	readonly context?: string;
}

export interface FoundCluster {
	readonly client: KubernetesClient;
	readonly kubeconfig: string;
	readonly helmFlags: readonly string[];
	readonly kubectlFlags: readonly string[];
}

export function withClusterFlags(command: Command): Command {
	return command
		.option("--kubeconfig <file>", "of the cluster (default: KUBECONFIG, else ~/.kube/config)")
		.option("--context <name>", "of the kubeconfig (default: its current one)");
}

/** The kubeconfig that kubectl would read, when there is one. Of several in KUBECONFIG the first that is there. */
export function kubeconfigOf({ kubeconfig }: ClusterFlags): string | undefined {
	if (kubeconfig !== undefined) return kubeconfig;
	const named = (process.env.KUBECONFIG ?? "").split(delimiter).filter((one) => one !== "");
	const candidates = named.length > 0 ? named : [join(homedir(), ".kube", "config")];
	return candidates.find((one) => existsSync(one));
}

export function findCluster(flags: ClusterFlags): FoundCluster {
	const kubeconfig = kubeconfigOf(flags);
	if (kubeconfig === undefined)
		throw new CliError(
			exitCodes.noInput,
			"no kubeconfig says which cluster",
			"add --kubeconfig FILE, or set KUBECONFIG",
		);
	const { context } = flags;
	try {
		return {
			client: openKubernetesClient({ kubeconfig, ...(context === undefined ? {} : { context }) }),
			kubeconfig,
			helmFlags: ["--kubeconfig", kubeconfig, ...(context === undefined ? [] : ["--kube-context", context])],
			kubectlFlags: ["--kubeconfig", kubeconfig, ...(context === undefined ? [] : ["--context", context])],
		};
	} catch (error) {
		if (error instanceof AccessError)
			throw new CliError(exitCodes.data, `${kubeconfig}: ${error.message}`, "kubectl config view");
		throw error;
	}
}
