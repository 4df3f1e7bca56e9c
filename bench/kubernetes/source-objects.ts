// What the benchmark of the source puts into a cluster: Services, each with one EndpointSlice of some endpoints, a gateway's rule
// to one more Service, and its two ports to choose from.

import { endpointSlices, namespaces, services } from "../../src/kubernetes/client/api-resources.ts";
import type { KubernetesClient } from "../../src/kubernetes/client/kubernetes-client.ts";
import { pathOf } from "../../src/kubernetes/client/resource-path.ts";

export const benchNamespace = "keepmesh-bench";

const atOnce = 16;

export async function createServices(
	client: KubernetesClient,
	count: number,
	endpointsOfService: number,
): Promise<void> {
	await create(client, pathOf(namespaces), { metadata: { name: benchNamespace } });
	const indexes = Array.from({ length: count }, (_, index) => index);
	const worker = async (): Promise<void> => {
		for (let index = indexes.shift(); index !== undefined; index = indexes.shift()) {
			const addresses = Array.from({ length: endpointsOfService }, (_, at) =>
				addressOf(index * endpointsOfService + at),
			);
			await createService(client, `svc-${index}`, addresses, 8080);
		}
	};
	await Promise.all(Array.from({ length: atOnce }, worker));
}

export async function createService(
	client: KubernetesClient,
	name: string,
	addresses: readonly string[],
	port: number,
): Promise<void> {
	const metadata = { namespace: benchNamespace, labels: { app: name } };
	await create(client, pathOf(services, benchNamespace), {
		metadata: { ...metadata, name },
		spec: { ports: [{ name: "http", port: 80 }] },
	});
	await create(client, pathOf(endpointSlices, benchNamespace), {
		metadata: { ...metadata, name: `${name}-1`, labels: { "kubernetes.io/service-name": name } },
		addressType: "IPv4",
		ports: [{ name: "http", port, protocol: "TCP" }],
		endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true }, nodeName: "n1" })),
	});
}

export async function setPort(client: KubernetesClient, name: string, port: number): Promise<void> {
	const answer = await client.request("PATCH", pathOf(endpointSlices, benchNamespace, `${name}-1`), {
		body: { ports: [{ name: "http", port, protocol: "TCP" }] },
	});
	if (answer.status !== 200) throw new Error(`${name}: ${JSON.stringify(answer.body)}`);
}

export async function removeAll(client: KubernetesClient): Promise<void> {
	await client.request("DELETE", pathOf(namespaces, undefined, benchNamespace));
}

export async function create(client: KubernetesClient, path: string, body: object): Promise<void> {
	const answer = await client.request("POST", path, { body, timeoutMs: 60_000 });
	if (answer.status >= 300 && answer.status !== 409) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
}

const addressOf = (index: number): string => `10.200.${Math.floor(index / 250)}.${(index % 250) + 1}`;
