// The proxies that get new configuration first: one of each workload, in each namespace and of each type.

import type { Proxy as MeshProxy } from "../../model/proxy.ts";

export interface Canaries {
	readonly first: readonly string[];
	readonly rest: readonly string[];
}

/** All are first in a mesh of fewer than `minProxies`, and where no workload has two. The same ones each time. */
export function chooseCanaries(proxies: readonly MeshProxy[], minProxies: number): Canaries {
	const ids = proxies.map(({ id }) => id).sort();
	if (proxies.length < minProxies) return { first: ids, rest: [] };
	const first = new Map<string, string>();
	for (const proxy of proxies) {
		const group = groupOf(proxy);
		const known = first.get(group);
		if (known === undefined || proxy.id < known) first.set(group, proxy.id);
	}
	const chosen = new Set(first.values());
	return { first: ids.filter((id) => chosen.has(id)), rest: ids.filter((id) => !chosen.has(id)) };
}

/** Replicas of a workload have the same labels, but for the hash of their template. */
function groupOf({ type, namespace, labels, workloadCertificate, proxyless }: MeshProxy): string {
	const own = Object.entries(labels)
		.filter(([name]) => name !== "pod-template-hash" && name !== "statefulset.kubernetes.io/pod-name")
		.map(([name, value]) => `${name}=${value}`)
		.sort();
	return [type, namespace, workloadCertificate, proxyless, ...own].join("|");
}
