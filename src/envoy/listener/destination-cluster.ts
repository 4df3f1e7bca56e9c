// A destination of a TCP or TLS route -> the cluster that leads to it, or BlackHoleCluster when there is none: a TCP proxy
// has no way to answer that its cluster is unknown.

import type { ServiceView } from "../../model/view.ts";
import type { Destination, RouteDestination } from "../../resources/kinds/networking.ts";
import { type ProxyRole, serviceClusters } from "../cluster/service-clusters.ts";
import { dnsLoadAssignment } from "../endpoint/dns-load-assignment.ts";
import { blackHoleCluster, outboundClusterName } from "../names.ts";
import type { WeightedCluster } from "./tcp-proxy.ts";

export interface ServicesByHost {
	readonly role: ProxyRole;
	readonly views: ReadonlyMap<string, ServiceView>;
}

const remembered: Record<ProxyRole, WeakMap<readonly ServiceView[], ServicesByHost>> = {
	sidecar: new WeakMap(),
	gateway: new WeakMap(),
};

export function servicesByHost(services: readonly ServiceView[], role: ProxyRole): ServicesByHost {
	let byHost = remembered[role].get(services);
	if (!byHost) {
		byHost = { role, views: new Map(services.map((view) => [view.service.hostname, view])) };
		remembered[role].set(services, byHost);
	}
	return byHost;
}

/** Without a port: the service's only port, or else the one that the client connected to. */
export function destinationCluster(services: ServicesByHost, destination: Destination, clientPort: number): string {
	const view = services.views.get(destination.host);
	if (!view) return blackHoleCluster;
	const ports = view.service.ports.filter((port) => port.protocol !== "UDP");
	const port = destination.port?.number ?? (ports.length === 1 ? ports[0]?.number : undefined) ?? clientPort;
	return existingCluster(view, outboundClusterName(port, destination.subset ?? "", destination.host), services.role);
}

/** Same name back if the service has such a cluster: port and subset exist, and Envoy can find endpoints. */
export function existingCluster(view: ServiceView, name: string, role: ProxyRole): string {
	const cluster = serviceClusters(view, role).find((one) => one.name === name);
	switch (cluster?.discovery) {
		case "eds":
		case "originalDestination":
			return name;
		case "dns":
		case "dnsRoundRobin":
			return dnsLoadAssignment(view, cluster) ? name : blackHoleCluster;
		default:
			return blackHoleCluster;
	}
}

/** A single destination gets everything; among several, one without a weight gets nothing. */
export function weightedDestinations(
	services: ServicesByHost,
	routes: readonly RouteDestination[],
	clientPort: number,
): readonly WeightedCluster[] {
	const weights = new Map<string, number>();
	for (const route of routes) {
		const name = destinationCluster(services, route.destination, clientPort);
		weights.set(name, (weights.get(name) ?? 0) + (routes.length === 1 ? 1 : (route.weight ?? 0)));
	}
	return [...weights].map(([name, weight]) => ({ name, weight }));
}
