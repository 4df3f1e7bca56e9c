// Which nodes are lost, as the leader of the control planes writes it for those that read only the API server: a ConfigMap with one
// text, names of nodes, a line each.

import type { RawObject } from "../../client/api-object.ts";
import { configMaps } from "../../client/api-resources.ts";
import type { KubernetesClient } from "../../client/kubernetes-client.ts";
import { pathOf } from "../../client/resource-path.ts";

export interface LostNodesPlace {
	readonly namespace: string;
	readonly name: string;
}

export const lostNodesName = "keepmesh-lost-nodes";

/** Sorted. */
export function lostNodesOf({ data }: RawObject): readonly string[] {
	const { nodes = "" } = (data ?? {}) as { readonly nodes?: string };
	return nodes
		.split("\n")
		.filter((name) => name !== "")
		.sort();
}

/** None where they cannot be read. */
export async function readLostNodes(
	{ name, namespace }: LostNodesPlace,
	client: KubernetesClient,
): Promise<readonly string[]> {
	try {
		const path = pathOf(configMaps, namespace, name);
		const { body, status } = await client.request("GET", path, { timeoutMs: 2_000 });
		return status === 200 ? lostNodesOf(body as RawObject) : [];
	} catch {
		return [];
	}
}

export function lostNodesObject({ name, namespace }: LostNodesPlace, nodes: readonly string[]): object {
	return {
		apiVersion: "v1",
		kind: "ConfigMap",
		metadata: { name, namespace, labels: { "app.kubernetes.io/part-of": "keepmesh" } },
		data: { nodes: [...nodes].sort().join("\n") },
	};
}
