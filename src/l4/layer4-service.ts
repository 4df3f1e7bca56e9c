// A Service as layer 4 sees it: addresses, ports, policies, and who stands behind each port. In: nothing. Out: the one form that
// Kubernetes objects are read into, that travels from control planes to nodes, and that a node plans its rules from.

import type { SchedulerName } from "./scheduler.ts";
import type { Unallocated } from "./services/unallocated.ts";

export type Layer4Protocol = "tcp" | "udp" | "sctp";

export interface Layer4Service {
	readonly namespace: string;
	readonly name: string;
	/** Of both families; empty for a headless Service, which has no rules. */
	readonly clusterAddresses: readonly string[];
	readonly externalAddresses: readonly string[];
	/** `status.loadBalancer.ingress` with `ipMode: VIP` (the default), and addresses that Keepmesh itself gave. */
	readonly loadBalancerAddresses: readonly string[];
	readonly ports: readonly Layer4Port[];
	/** `sessionAffinity: ClientIP`; absent: none. Kubernetes' default timeout is 10,800 s. */
	readonly affinity?: { readonly timeoutSec: number };
	/** `externalTrafficPolicy`. */
	readonly externalPolicy: "Cluster" | "Local";
	/** `internalTrafficPolicy`. */
	readonly internalPolicy: "Cluster" | "Local";
	/** `loadBalancerSourceRanges` as `ADDRESS/LENGTH`; empty: everybody may come. */
	readonly sourceRanges: readonly string[];
	readonly healthCheckNodePort?: number;
	/** `trafficDistribution`; decides nothing by itself (slices carry hints), but is shown. */
	readonly trafficDistribution?: string;
	/** Annotation `keepmesh.io/l4-scheduler`; absent: the node's default. */
	readonly scheduler?: SchedulerName;
	/** Annotation `keepmesh.io/l4-backend`; absent: the node's. */
	readonly backend?: "nftables" | "ipvs";
	/** What it asks for and nobody here allocates; for people, rules do without. */
	readonly unallocated?: readonly Unallocated[];
}

export interface Layer4Port {
	/** Empty for a Service with one nameless port. */
	readonly name: string;
	readonly protocol: Layer4Protocol;
	readonly port: number;
	readonly nodePort?: number;
	/** In canonical order (address as bytes, then port), the same on every node. */
	readonly endpoints: readonly Layer4Endpoint[];
}

/** An endpoint of one port. Both families in one list; a rule of one family takes those of its own. */
export interface Layer4Endpoint {
	readonly address: string;
	readonly port: number;
	readonly node?: string;
	readonly zone?: string;
	/** As its slice says: who writes slices has seen to `publishNotReadyAddresses`. */
	readonly ready: boolean;
	readonly serving: boolean;
	readonly terminating: boolean;
	/** `hints.forZones`, `hints.forNodes`. */
	readonly hintZones?: readonly string[];
	readonly hintNodes?: readonly string[];
}

/** `NAMESPACE/NAME`. */
export function layer4Key(service: { readonly namespace: string; readonly name: string }): string {
	return `${service.namespace}/${service.name}`;
}
