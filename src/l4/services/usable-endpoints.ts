// Which endpoints of a port new connections may go to from this node: kube-proxy's pkg/proxy/topology.go.
// In: endpoints of one family. Out: the pool of policy Cluster, that of Local, and whether anybody at all could answer.

import type { Layer4Endpoint } from "../layer4-service.ts";
import type { NodeFacts } from "../node-facts.ts";

export interface UsableEndpoints {
	/** Empty only when nobody in the cluster can answer. */
	readonly cluster: readonly Layer4Endpoint[];
	readonly local: readonly Layer4Endpoint[];
	readonly topology: Topology;
}

export type Topology = "everywhere" | "sameNode" | "sameZone";

type Where = Pick<NodeFacts, "name" | "zone">;

export function usableEndpoints(endpoints: readonly Layer4Endpoint[], node: Where): UsableEndpoints {
	const ready = endpoints.filter((endpoint) => endpoint.ready);
	const topology = topologyOf(ready, node);
	const here = endpoints.filter((endpoint) => isLocal(endpoint, node));
	return {
		cluster: ready.length > 0 ? ready.filter((endpoint) => suits(endpoint, topology, node)) : lastResort(endpoints),
		local: here.some((endpoint) => endpoint.ready) ? here.filter((endpoint) => endpoint.ready) : lastResort(here),
		topology,
	};
}

export function isLocal(endpoint: Layer4Endpoint, node: Where): boolean {
	return node.name !== "" && endpoint.node === node.name;
}

/** When nobody is ready: those that leave but still serve. */
function lastResort(endpoints: readonly Layer4Endpoint[]): readonly Layer4Endpoint[] {
	return endpoints.filter((endpoint) => endpoint.serving && endpoint.terminating);
}

/** Hints count only if every ready endpoint has them and at least one of them names this place: better far than nobody. */
function topologyOf(ready: readonly Layer4Endpoint[], node: Where): Topology {
	if (ready.length === 0) return "everywhere";
	const allHave = (hint: "hintNodes" | "hintZones"): boolean =>
		ready.every((endpoint) => (endpoint[hint] ?? []).length > 0);
	if (allHave("hintNodes") && ready.some((endpoint) => suits(endpoint, "sameNode", node))) return "sameNode";
	if (allHave("hintZones") && ready.some((endpoint) => suits(endpoint, "sameZone", node))) return "sameZone";
	return "everywhere";
}

function suits(endpoint: Layer4Endpoint, topology: Topology, node: Where): boolean {
	switch (topology) {
		case "everywhere":
			return true;
		case "sameNode":
			return endpoint.hintNodes?.includes(node.name) ?? false;
		case "sameZone":
			return endpoint.hintZones?.includes(node.zone ?? "") ?? false;
		default:
			return topology satisfies never;
	}
}
