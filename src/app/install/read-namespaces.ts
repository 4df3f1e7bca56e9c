// Which namespaces have proxies injected, by which revision or tag, and which of their pods have none.

import type { NamespaceFacts } from "../../install/cluster-facts.ts";
import { defaultRevision, revisionLabel } from "../../install/release-names.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { listAt, type Named } from "./read-objects.ts";

interface PodObject extends Named {
	readonly spec: {
		readonly hostNetwork?: boolean;
		readonly containers: readonly { readonly name: string }[];
		readonly initContainers?: readonly { readonly name: string }[];
	};
	readonly status?: { readonly phase?: string };
}

export async function readNamespaces(client: KubernetesClient): Promise<readonly NamespaceFacts[]> {
	const spaces = await listAt<Named>(client, "/api/v1/namespaces");
	return await Promise.all(
		spaces.map(async (space): Promise<NamespaceFacts> => {
			const wants = wantedBy(space.metadata.labels ?? {});
			const { name } = space.metadata;
			if (wants === undefined) return { name, podsWith: 0, podsWithout: 0 };
			const pods = (await listAt<PodObject>(client, `/api/v1/namespaces/${name}/pods`)).filter(isConcerned);
			const podsWith = pods.filter(hasProxy).length;
			return { name, wants, podsWith, podsWithout: pods.length - podsWith };
		}),
	);
}

/** As the webhooks' selectors decide: istio-injection first. */
function wantedBy(labels: Readonly<Record<string, string>>): string | undefined {
	const injection = labels["istio-injection"];
	if (injection !== undefined) return injection === "enabled" ? defaultRevision : undefined;
	return labels[revisionLabel];
}

function isConcerned({ metadata, spec, status }: PodObject): boolean {
	if (spec.hostNetwork || status?.phase === "Succeeded" || status?.phase === "Failed") return false;
	const inject = metadata.labels?.["sidecar.istio.io/inject"] ?? metadata.annotations?.["sidecar.istio.io/inject"];
	return inject !== "false";
}

const hasProxy = ({ spec }: PodObject): boolean =>
	[...spec.containers, ...(spec.initContainers ?? [])].some(({ name }) => name === "istio-proxy");
