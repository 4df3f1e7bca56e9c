// Whether the agent ends for good, or another one follows. In: its Pod. Out: what the API server says of the DaemonSet that made it.

import type { Clock } from "../../runtime/clock.ts";
import { daemonSets, pods as podResource } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { type ApiResource, pathOf } from "../client/resource-path.ts";

const timeoutMs = 2_000;
/** Nobody comes back to a node for a plug-in that was left there. Kubelet waits 30 s for an agent's end. */
const tries = 4;
const pauseMs = 1_000;

interface Owned {
	readonly metadata?: {
		readonly deletionTimestamp?: string;
		readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[];
	};
}

/** `shutOut`: whoever uninstalls took the right to ask as well. */
type Found = { readonly object: Owned } | "gone" | "shutOut";

/** False also when nobody says, after some seconds. */
export async function isUninstalled(
	client: Pick<KubernetesClient, "request">,
	clock: Clock,
	pod: { readonly namespace: string; readonly name: string },
): Promise<boolean> {
	for (let attempt = 1; attempt <= tries; attempt++) {
		if (attempt > 1) await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
		try {
			return await hasNoSuccessor(client, pod);
		} catch {
			// Next try.
		}
	}
	return false;
}

async function hasNoSuccessor(
	client: Pick<KubernetesClient, "request">,
	{ name, namespace }: { readonly namespace: string; readonly name: string },
): Promise<boolean> {
	const own = await find(client, podResource, namespace, name);
	if (own === "shutOut") return true;
	const references = own === "gone" ? [] : own.object.metadata?.ownerReferences;
	const owner = references?.find(({ kind }) => kind === "DaemonSet");
	if (!owner) return false;
	const found = await find(client, daemonSets, namespace, owner.name);
	return found === "gone" || found === "shutOut" || found.object.metadata?.deletionTimestamp !== undefined;
}

/** Rejects when that is no answer. */
async function find(
	client: Pick<KubernetesClient, "request">,
	resource: ApiResource,
	namespace: string,
	name: string,
): Promise<Found> {
	const { body, status } = await client.request("GET", pathOf(resource, namespace, name), { timeoutMs });
	if (status === 404) return "gone";
	if (status === 401 || status === 403) return "shutOut";
	if (status >= 300) throw new Error(`${status}`);
	return { object: body as Owned };
}
