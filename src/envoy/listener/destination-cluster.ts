// A destination of a TCP or TLS route -> the cluster that leads to it, or BlackHoleCluster when the view has none.

import type { ServiceView } from "../../model/view.ts";
import type { Destination, RouteDestination } from "../../resources/kinds/networking.ts";
import { blackHoleCluster, outboundClusterName } from "../names.ts";
import type { WeightedCluster } from "./tcp-proxy.ts";

export type ServicesByHost = ReadonlyMap<string, ServiceView>;

const remembered = new WeakMap<readonly ServiceView[], ServicesByHost>();

export function servicesByHost(services: readonly ServiceView[]): ServicesByHost {
	let byHost = remembered.get(services);
	if (!byHost) {
		byHost = new Map(services.map((view) => [view.service.hostname, view]));
		remembered.set(services, byHost);
	}
	return byHost;
}

/** Without a port: the service's only port, or else the one that the client connected to. */
export function destinationCluster(services: ServicesByHost, destination: Destination, clientPort: number): string {
	const view = services.get(destination.host);
	if (!view) return blackHoleCluster;
	const { ports, hostname } = view.service;
	const wanted = destination.port?.number ?? (ports.length === 1 ? ports[0]?.number : clientPort);
	const port = ports.find((one) => one.number === wanted && one.protocol !== "UDP");
	if (!port) return blackHoleCluster;
	const subset = destination.subset ?? "";
	if (subset !== "" && !view.destination?.subsets.some((one) => one.name === subset)) return blackHoleCluster;
	return outboundClusterName(port.number, subset, hostname);
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
