// The flags of every command that talks to a Kubernetes API server, in one group.

import type { Command } from "commander";
import type { KubernetesAccessOptions } from "../kubernetes/open-kubernetes.ts";

export interface KubernetesFlags {
	/** The API server is where resources come from. */
	readonly kubernetes?: boolean;
	readonly kubeconfig?: string;
	readonly kubeContext?: string;
}

/** Adds `--kubernetes` with what it does for this command, and how the API server is reached. */
export function withKubernetesFlags(command: Command, whatItDoes: string): Command {
	return command
		.optionsGroup("On Kubernetes:")
		.option("--kubernetes", whatItDoes)
		.option("--kubeconfig <file>", "how to reach the API server (default: the Pod's service account, else $KUBECONFIG)")
		.option("--kube-context <name>", "of that file (default: its current one)");
}

export function kubernetesAccess({ kubeconfig, kubeContext }: KubernetesFlags): KubernetesAccessOptions {
	return {
		...(kubeconfig === undefined ? {} : { kubeconfig }),
		...(kubeContext === undefined ? {} : { context: kubeContext }),
	};
}
