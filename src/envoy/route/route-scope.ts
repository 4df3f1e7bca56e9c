// Where routes are being made for: which port, which services can be named, and how a destination becomes a cluster.

import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { ServiceView } from "../../model/view.ts";
import type { Destination } from "../../resources/kinds/networking.ts";
import { outboundClusterName } from "../names.ts";

export interface RouteScope {
	readonly mesh: MeshSettings;
	/** Port that the requests came to: a service's port, or a gateway server's. */
	readonly port: number;
	/** True behind a listener that terminates TLS. */
	readonly tls: boolean;
	/** Tokens are verified before routes are chosen: on gateways. Elsewhere no match on claims holds. */
	readonly verifiesTokens?: boolean;
	readonly services: ReadonlyMap<string, ServiceView>;
}

export interface DestinationCluster {
	readonly name: string;
	readonly port: number;
	readonly service?: ServiceView;
}

/** The port: as the rule says, else the service's only port, else the port that the request came to. */
export function destinationCluster(destination: Destination, scope: RouteScope): DestinationCluster {
	const service = scope.services.get(destination.host);
	const ports = service?.service.ports.filter(({ protocol }) => protocol !== "UDP") ?? [];
	const only = ports.length === 1 ? ports[0]?.number : undefined;
	const port = destination.port?.number ?? only ?? scope.port;
	return { name: outboundClusterName(port, destination.subset ?? "", destination.host), port, service };
}

export function servicesByHost(services: readonly ServiceView[]): ReadonlyMap<string, ServiceView> {
	return new Map(services.map((view) => [view.service.hostname, view]));
}
