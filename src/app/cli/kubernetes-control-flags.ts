// The flags of `keepmesh control` on Kubernetes, and what they mean to the control plane.

import { hostname } from "node:os";
import type { Command } from "commander";
import { defaultKubernetesControl, type KubernetesControlOptions } from "../kubernetes/kubernetes-control-options.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { type KubernetesFlags, kubernetesAccess, withKubernetesFlags } from "./kubernetes-flags.ts";

export interface KubernetesControlFlags extends KubernetesFlags {
	readonly resources?: readonly string[];
	readonly systemNamespace: string;
	readonly revision: string;
	readonly service: string;
	readonly pod: string;
	readonly rootConfigMaps?: boolean;
}

export function withKubernetesControlFlags(command: Command): Command {
	return withKubernetesFlags(command, "resources come from the API server of a cluster; replicas elect by a Lease")
		.option("--system-namespace <name>", "where Keepmesh itself lives", defaultKubernetesControl.namespace)
		.option("--revision <name>", "serve what istio.io/rev names so", defaultKubernetesControl.revision)
		.option("--service <name>", "the Service of the control planes", defaultKubernetesControl.service)
		.option("--pod <name>", "this replica's Pod", process.env.POD_NAME || hostname())
		.option("--root-config-maps", "write the mesh's roots as ConfigMap istio-ca-root-cert into every meshed namespace");
}

/** Undefined: resources come from files. */
export function kubernetesControl(flags: KubernetesControlFlags): KubernetesControlOptions | undefined {
	if (!flags.kubernetes) return undefined;
	if (flags.resources !== undefined)
		throw new CliError(
			exitCodes.usage,
			"--kubernetes and --resources exclude each other: resources have one source",
			"keepmesh control --kubernetes --data ./data --xds 0.0.0.0:15012",
		);
	const { pod, revision, service, systemNamespace: namespace } = flags;
	const writesRoots = flags.rootConfigMaps ? { writesRootConfigMaps: true } : {};
	return { ...kubernetesAccess(flags), namespace, revision, service, pod, ...writesRoots };
}

/** Under which the control planes are reached inside of the cluster. */
export function namesOfService({ namespace, service }: KubernetesControlOptions): readonly string[] {
	const short = `${service}.${namespace}`;
	return [service, short, `${short}.svc`, `${short}.svc.cluster.local`];
}
