// Whether the agent ends for good, or another one follows. In: its Pod. Out: what the API server says of the DaemonSet that made it.

import { daemonSets, pods as podResource } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { pathOf } from "../client/resource-path.ts";

const timeoutMs = 2_000;

interface Owned {
	readonly metadata?: {
		readonly deletionTimestamp?: string;
		readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[];
	};
}

/** False also when nobody says. An agent that may no longer ask had its rights taken by the uninstallation. */
export async function isUninstalled(
	client: KubernetesClient,
	pod: { readonly namespace: string; readonly name: string },
): Promise<boolean> {
	try {
		const own = await client.request("GET", pathOf(podResource, pod.namespace, pod.name), { timeoutMs });
		if (isShutOut(own.status)) return true;
		const owner = (own.body as Owned).metadata?.ownerReferences?.find(({ kind }) => kind === "DaemonSet");
		if (!owner) return false;
		const { body, status } = await client.request("GET", pathOf(daemonSets, pod.namespace, owner.name), { timeoutMs });
		return status === 404 || isShutOut(status) || (body as Owned).metadata?.deletionTimestamp !== undefined;
	} catch {
		return false;
	}
}

const isShutOut = (status: number): boolean => status === 401 || status === 403;
