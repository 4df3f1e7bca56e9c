// ServiceView -> the clusters it needs: one for each port and one for each port and subset, with the policy of each.
// Clusters, endpoints and routes all ask here, so that they agree on names and on who fills the endpoints.

import type { ServicePort } from "../../model/service.ts";
import type { ServiceView } from "../../model/view.ts";
import type { Subset, TrafficPolicy } from "../../resources/kinds/networking.ts";
import { meshSni, outboundClusterName } from "../names.ts";
import { policyForPort, policyForSubset } from "./effective-policy.ts";

/** Gateways have no original destination to pass through, and do not sniff. */
export type ProxyRole = "sidecar" | "gateway";

/** How Envoy finds the endpoints: pushed (EDS), ORIGINAL_DST, STRICT_DNS, LOGICAL_DNS, dynamic forward proxy. */
export type ClusterDiscovery = "eds" | "originalDestination" | "dns" | "dnsRoundRobin" | "dynamicDns";

export interface ServiceCluster {
	readonly name: string;
	readonly port: ServicePort;
	/** Absent for the service as a whole. */
	readonly subset?: Subset;
	readonly policy?: TrafficPolicy;
	readonly discovery: ClusterDiscovery;
	/** Name of the load assignment, where it is another cluster's. Default: the cluster's own name. */
	readonly edsName?: string;
}

export function serviceClusters(view: ServiceView, role: ProxyRole): readonly ServiceCluster[] {
	const { service, destination } = view;
	const clusters: ServiceCluster[] = [];
	for (const port of service.ports) {
		if (port.protocol === "UDP") continue;
		const policy = policyForPort(destination?.trafficPolicy, port.number);
		clusters.push({
			name: outboundClusterName(port.number, "", service.hostname),
			port,
			policy,
			discovery: discoveryOf(view, policy, role),
		});
		for (const subset of destination?.subsets ?? []) {
			const ofSubset = policyForSubset(destination?.trafficPolicy, subset, port.number);
			clusters.push({
				name: outboundClusterName(port.number, subset.name, service.hostname),
				port,
				subset,
				policy: ofSubset,
				discovery: discoveryOf(view, ofSubset, role),
			});
		}
	}
	return clusters;
}

/**
 * The same endpoints under names that clients send as SNI: an east-west gateway (AUTO_PASSTHROUGH) hands connections on by
 * it, with the mesh's TLS inside untouched. None for hosts outside the mesh.
 */
export function sniClusters(view: ServiceView): readonly ServiceCluster[] {
	if (view.service.meshExternal) return [];
	return serviceClusters(view, "gateway").map((cluster) => ({
		...cluster,
		name: meshSni(cluster.port.number, cluster.subset?.name ?? "", view.service.hostname),
		edsName: cluster.name,
		port: { ...cluster.port, protocol: "TCP" },
		policy: { ...cluster.policy, tls: { mode: "DISABLE" }, proxyProtocol: undefined },
	}));
}

function discoveryOf(view: ServiceView, policy: TrafficPolicy | undefined, role: ProxyRole): ClusterDiscovery {
	if (policy?.loadBalancer?.simple === "PASSTHROUGH" && view.service.discovery !== "dynamicDns") {
		return "originalDestination";
	}
	switch (view.service.discovery) {
		case "endpoints":
			return "eds";
		case "passthrough":
			return role === "gateway" ? "eds" : "originalDestination";
		case "dns":
			return "dns";
		case "dnsRoundRobin":
			return "dnsRoundRobin";
		case "dynamicDns":
			return "dynamicDns";
		default:
			return view.service.discovery satisfies never;
	}
}

/** True when every label of `wanted` is on the endpoint: Istio's rule for subsets. */
export function hasLabels(
	labels: Readonly<Record<string, string>>,
	wanted: Readonly<Record<string, string>> | undefined,
): boolean {
	for (const key in wanted) if (labels[key] !== wanted[key]) return false;
	return true;
}
