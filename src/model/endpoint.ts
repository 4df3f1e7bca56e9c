// Where a service's requests may land.

import type { ServiceKey } from "./service.ts";

export interface Locality {
	readonly region: string;
	readonly zone: string;
	readonly subzone: string;
}

export interface Endpoint {
	/** IP address; a host name for `dns` services; a path for `unix://` endpoints. */
	readonly address: string;
	readonly port: number;
	readonly labels: Readonly<Record<string, string>>;
	/** Relative weight, at least 1. */
	readonly weight: number;
	readonly health: "healthy" | "unhealthy" | "draining";
	readonly locality: Locality;
	readonly network: string;
	readonly clusterId: string;
	readonly namespace: string;
	readonly workload: string;
	readonly serviceAccount: string;
	/** Pod host name inside a headless service, `web-0`. */
	readonly hostname?: string;
	/** `istio` when the workload's proxy accepts the mesh's mutual TLS. */
	readonly tlsMode: "istio" | "disabled";
	/** Present while no proxy serves its workload: `direct` is called in plaintext, `closed` not at all. */
	readonly servingStep?: "direct" | "closed";
}

/** All endpoints of one service, by service port number. Replaced as a whole: compare by identity. */
export interface ServiceEndpoints {
	readonly service: ServiceKey;
	readonly byPort: ReadonlyMap<number, readonly Endpoint[]>;
}
