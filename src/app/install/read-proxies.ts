// Which pods have proxies, and which revision put them in.

import { readInjectedPod } from "../../inject/injected-pod.ts";
import type { ProxyFacts } from "../../install/cluster-facts.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { listAt, type Named } from "./read-objects.ts";

interface PodObject extends Named {
	readonly status?: { readonly phase?: string };
}

/** Every injected pod has it. */
const label = "service.istio.io/canonical-name";

export async function readProxies(client: KubernetesClient): Promise<readonly ProxyFacts[]> {
	const counts = new Map<string, ProxyFacts>();
	for (const pod of await listAt<PodObject>(client, "/api/v1/pods", label)) {
		const { phase } = pod.status ?? {};
		const injected = phase === "Succeeded" || phase === "Failed" ? undefined : readInjectedPod(pod);
		if (!injected) continue;
		const { namespace = "default" } = pod.metadata;
		const { revision } = injected;
		const key = `${namespace} ${revision}`;
		counts.set(key, { namespace, revision, pods: (counts.get(key)?.pods ?? 0) + 1 });
	}
	return [...counts.values()];
}
