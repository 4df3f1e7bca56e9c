// The roots of the mesh in a ConfigMap of the API server: by them a node that has not joined yet knows its control planes. Written
// by the leader, read by nodes; who can write it can stand in for a control plane, so only Keepmesh's own namespace has it.

import { configMaps } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { Refused } from "../client/refused.ts";
import { pathOf } from "../client/resource-path.ts";

export const rootsName = "keepmesh-root-cert";
const rootsKey = "root-cert.pem";

interface ConfigMap {
	readonly data?: Readonly<Record<string, string>>;
}

/** PEM, one certificate each. Rejects, saying why, when there are none. */
export async function readRoots(client: KubernetesClient, namespace: string): Promise<readonly string[]> {
	const answer = await client.request("GET", pathOf(configMaps, namespace, rootsName), { timeoutMs: 5_000 });
	if (answer.status !== 200)
		throw new Error(`ConfigMap ${namespace}/${rootsName}, which a control plane writes: ${Refused.of(answer).message}`);
	const text = (answer.body as ConfigMap).data?.[rootsKey] ?? "";
	const roots = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? [];
	if (roots.length === 0) throw new Error(`ConfigMap ${namespace}/${rootsName} holds no certificate`);
	return roots;
}

/** Idempotent. Rejects when the API server refuses, or does not answer. */
export async function writeRoots(client: KubernetesClient, namespace: string, roots: readonly string[]): Promise<void> {
	const data = { [rootsKey]: roots.join("") };
	const path = pathOf(configMaps, namespace, rootsName);
	const known = await client.request("GET", path);
	if (known.status === 200 && (known.body as ConfigMap).data?.[rootsKey] === data[rootsKey]) return;
	const metadata = { name: rootsName, namespace, labels: { "app.kubernetes.io/part-of": "keepmesh" } };
	const answer =
		known.status === 404
			? await client.request("POST", pathOf(configMaps, namespace), {
					body: { apiVersion: "v1", kind: "ConfigMap", metadata, data },
				})
			: await client.request("PATCH", path, { body: { data } });
	if (answer.status >= 300 && answer.status !== 409) throw Refused.of(answer);
}
