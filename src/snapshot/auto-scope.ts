// `MeshConfig.sidecarScope: auto`: what a workload may call, told from what its namespace has written down. In scope are
// 1. the services of its own namespace, and the hosts of its ServiceEntries, as they are such services;
// 2. hosts and destinations of its namespace's VirtualServices for the mesh, and exact hosts of its DestinationRules;
// 3. what the annotation `keepmesh.io/egress` of the Namespace or of the Pod adds, in the form of Sidecar egress hosts.
// A Sidecar resource overrules all of this.

import { type EgressScope, egressListener } from "./egress-scope.ts";
import { isWildcard } from "./hostname.ts";
import type { Routing } from "./routing.ts";

export function autoScope(
	routing: Pick<Routing, "mesh" | "virtualServices" | "destinationRules" | "namespaceEgress">,
	namespace: string,
	podAnnotation: string,
): EgressScope {
	const hosts = new Set(["./*"]);
	for (const rule of routing.virtualServices.prepared) {
		if (rule.namespace !== namespace || !rule.gateways.includes("mesh")) continue;
		for (const host of [...rule.hosts, ...rule.destinations]) if (!isWildcard(host)) hosts.add(`*/${host}`);
	}
	for (const host of routing.destinationRules.byNamespace.get(namespace)?.byHost.keys() ?? [])
		if (!isWildcard(host)) hosts.add(`*/${host}`);
	const annotations = `${routing.namespaceEgress.get(namespace) ?? ""},${podAnnotation}`;
	for (const host of annotations.split(",")) if (host.trim() !== "") hosts.add(host.trim());
	return [egressListener([...hosts], namespace, routing.mesh.domainSuffix)];
}
