// A service of the mesh, whatever registered it: a Kubernetes Service or a ServiceEntry host. No Envoy types here.

import type { ObjectKey } from "../resources/config-object.ts";

/** What a port speaks. `AUTO`: not declared, so the proxy sniffs it. */
export type Protocol =
	| "HTTP"
	| "HTTP2"
	| "GRPC"
	| "GRPC-WEB"
	| "HTTPS"
	| "TLS"
	| "TCP"
	| "MONGO"
	| "MYSQL"
	| "REDIS"
	| "UDP"
	| "AUTO";

export interface ServicePort {
	readonly number: number;
	readonly name: string;
	readonly protocol: Protocol;
	/** Number, name of a container port, or absent: the same as `number`. */
	readonly targetPort?: number | string;
}

/**
 * How a proxy finds the endpoints.
 * `endpoints`: pushed by EDS. `passthrough`: where the client meant to go (headless, resolution NONE).
 * `dns`, `dnsRoundRobin`: Envoy resolves (STRICT_DNS, LOGICAL_DNS). `dynamicDns`: wildcard hosts, dynamic forward proxy.
 */
export type Discovery = "endpoints" | "passthrough" | "dns" | "dnsRoundRobin" | "dynamicDns";

/** `hostname/namespace`: one host may exist in several namespaces. */
export type ServiceKey = string;

export function serviceKey(hostname: string, namespace: string): ServiceKey {
	return `${hostname}/${namespace}`;
}

export interface MeshService {
	readonly key: ServiceKey;
	/** `reviews.default.svc.cluster.local`, or a ServiceEntry's host, which may start with `*.`. */
	readonly hostname: string;
	readonly namespace: string;
	/** Name of the Kubernetes Service, or of the ServiceEntry. */
	readonly name: string;
	readonly registry: "kubernetes" | "serviceEntry";
	readonly source: ObjectKey;
	readonly createdMs: number;
	readonly discovery: Discovery;
	/** True for a Kubernetes Service with clusterIP None. */
	readonly headless: boolean;
	readonly meshExternal: boolean;
	/** Virtual addresses (IPs or CIDRs) that clients connect to; declared, or allocated when none was (see `allocated`). */
	readonly addresses: readonly string[];
	/** True when `addresses` came out of 240.240.0.0/16 because the resource had none. */
	readonly allocated: boolean;
	readonly ports: readonly ServicePort[];
	/** `*`, `.` resolved to the own namespace, `~` for nobody, or namespaces. */
	readonly exportTo: readonly string[];
	readonly selector?: Readonly<Record<string, string>>;
	readonly labels: Readonly<Record<string, string>>;
	/** Certificate names that clients accept for it (ServiceEntry.subjectAltNames). */
	readonly subjectAltNames: readonly string[];
	/** Kubernetes `trafficDistribution`, which turns locality preference on without outlier detection. */
	readonly trafficDistribution?: string;
}
