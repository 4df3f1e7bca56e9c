// A proxy as the control plane knows it: parsed from its xDS node (id and metadata, Istio's form).

import type { Locality } from "./endpoint.ts";

export interface Proxy {
	/** `sidecar~10.1.0.5~reviews-v1-abc.default~default.svc.cluster.local` */
	readonly id: string;
	readonly type: "sidecar" | "router";
	/** Istio's metadata GENERATOR=grpc: a gRPC library, not an Envoy. */
	readonly proxyless: boolean;
	readonly ipAddresses: readonly string[];
	readonly name: string;
	readonly namespace: string;
	readonly dnsDomain: string;
	readonly clusterId: string;
	readonly network: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly serviceAccount: string;
	readonly locality: Locality;
	/** Its node serves it a certificate by SDS, so its inbound side can take mutual TLS. */
	readonly workloadCertificate: boolean;
	/** How inbound traffic reaches it; NONE: no redirect at all. */
	readonly interceptionMode: "REDIRECT" | "TPROXY" | "NONE";
}
