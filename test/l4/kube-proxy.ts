// Real kube-proxy (nftables) over the node of a world, with a real API server on the same LAN.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { KubernetesApi } from "./kubernetes-api.ts";
import type { Manifest } from "./l4-case.ts";
import { addresses, type L4World, nodeFacts } from "./l4-world.ts";

/** The same text configures both. */
export const kubeProxyConfiguration = {
	apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
	kind: "KubeProxyConfiguration",
	mode: "nftables",
	hostnameOverride: nodeFacts.name,
	clusterCIDR: "10.244.0.0/16,fd44::/16",
	detectLocalMode: "ClusterCIDR",
	healthzBindAddress: "127.0.0.1:10256",
	metricsBindAddress: "127.0.0.1:10249",
	// Settings of the machine stay as they are.
	conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
};

const syncMs = 60_000;

export interface KubeProxy {
	readonly api: KubernetesApi;
	close(): void;
}

/** Returns once the rules of all these objects are in the kernel. */
export async function startKubeProxy(world: L4World, objects: readonly Manifest[]): Promise<KubeProxy> {
	const host = world.rig.addHost("control", "10.77.0.5");
	const api = new KubernetesApi(host, join(world.rig.directory, "kubernetes"));
	await api.start();
	const labels = { "topology.kubernetes.io/zone": nodeFacts.zone };
	const status = { addresses: addresses.node.map((address) => ({ type: "InternalIP", address })) };
	await api.create({ kind: "Node", apiVersion: "v1", ...{ metadata: { name: nodeFacts.name, labels } }, status });
	for (const object of objects) await api.create(object);
	api.startProxy(world.node, kubeProxyConfiguration);
	const endMs = performance.now() + syncMs;
	while (!isSynced(world)) {
		if (performance.now() > endMs) throw new Error(`kube-proxy wrote no rules\n${api.log("kube-proxy")}`);
		await sleep(100);
	}
	return { api, close: () => api.close() };
}

/** It writes all that it knows in one transaction once it knows all objects. */
function isSynced(world: L4World): boolean {
	const list = (family: string) => `nft list map ${family} kube-proxy service-ips 2>/dev/null || true`;
	return ["ip", "ip6"].every((family) => world.node.exec("sh", "-c", list(family)).includes("goto"));
}
