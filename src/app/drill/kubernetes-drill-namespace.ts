// The namespace of a drill on a cluster: made, said to be in use as long as the drill lives, and removed. What a drill that was killed has
// left is removed by the next one, once nobody has said for a while that it is in use.

import { namespaces } from "../../kubernetes/client/api-resources.ts";
import { askServer } from "../../kubernetes/client/ask-server.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";

const drillLabel = "keepmesh.io/drill";
const untilAnnotation = "keepmesh.io/drill-until";
const sayEveryMs = 60_000;
const goodForMs = 300_000;

export interface DrillNamespace {
	/** Everything in it goes with it, a little later. */
	remove(): Promise<void>;
}

export async function makeDrillNamespace(client: KubernetesClient, name: string): Promise<DrillNamespace> {
	await removeLeft(client);
	const until = () => ({ [untilAnnotation]: new Date(Date.now() + goodForMs).toISOString() });
	await askServer(client, "POST", pathOf(namespaces), {
		body: {
			apiVersion: "v1",
			kind: "Namespace",
			metadata: {
				name,
				labels: { "pod-security.kubernetes.io/enforce": "privileged", [drillLabel]: "true" },
				annotations: until(),
			},
		},
	});
	const path = pathOf(namespaces, undefined, name);
	const timer = setInterval(() => {
		client.request("PATCH", path, { body: { metadata: { annotations: until() } } }).catch(() => {});
	}, sayEveryMs);
	timer.unref();
	return {
		remove: async () => {
			clearInterval(timer);
			await client.request("DELETE", path).catch(() => {});
		},
	};
}

/** Who may not list namespaces leaves them. */
async function removeLeft(client: KubernetesClient): Promise<void> {
	const { body, status } = await client.request("GET", pathOf(namespaces), {
		query: { labelSelector: `${drillLabel}=true` },
	});
	if (status !== 200) return;
	type Item = { readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> } };
	for (const { metadata } of (body as { readonly items: readonly Item[] }).items) {
		const isOver = Date.parse(metadata.annotations?.[untilAnnotation] ?? "") < Date.now();
		if (isOver) await client.request("DELETE", pathOf(namespaces, undefined, metadata.name)).catch(() => {});
	}
}
