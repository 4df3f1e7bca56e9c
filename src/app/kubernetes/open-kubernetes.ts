// The API server that a command was told of: a kubeconfig by flag or KUBECONFIG, or the Pod that this process is in.

import {
	type KubernetesClient,
	type KubernetesClientDeps,
	openKubernetesClient,
} from "../../kubernetes/client/kubernetes-client.ts";

export interface KubernetesAccessOptions {
	readonly kubeconfig?: string;
	readonly context?: string;
}

/** Throws AccessError when there is neither. `part` is who asks, in the server's log. */
export function openKubernetes(
	{ context, kubeconfig }: KubernetesAccessOptions,
	part: string,
	deps: KubernetesClientDeps = {},
	environment: NodeJS.ProcessEnv = process.env,
): KubernetesClient {
	const server = inClusterServer(environment);
	const file = kubeconfig ?? (server === undefined ? environment.KUBECONFIG || undefined : undefined);
	return openKubernetesClient(
		{
			userAgent: `keepmesh-${part}`,
			...(file === undefined ? {} : { kubeconfig: file }),
			...(context === undefined ? {} : { context }),
			...(server === undefined ? {} : { inClusterServer: server }),
		},
		deps,
	);
}

function inClusterServer({
	KUBERNETES_SERVICE_HOST: host,
	KUBERNETES_SERVICE_PORT: port,
}: NodeJS.ProcessEnv): string | undefined {
	if (!host) return undefined;
	return `https://${host.includes(":") ? `[${host}]` : host}:${port || 443}`;
}
