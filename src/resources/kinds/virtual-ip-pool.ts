// VirtualIPPool, keepmesh.io/v1alpha1: addresses that Services of type LoadBalancer get, each held by one node at a time.

import type { VirtualIPAuthentication, VirtualIPCheck, VirtualIPLease } from "./virtual-ip.ts";

export interface VirtualIPPoolSpec {
	/** `10.88.0.100-10.88.0.150`, `10.88.0.160/28`, `10.88.0.7`; both families may stand side by side. Every address counts. */
	readonly addresses: readonly string[];
	/**
	 * VRIDs of the virtual routers that hold the addresses, 128 to 254 unless told. More addresses than VRIDs share routers, and
	 * then a node. VirtualIPs and other pools on the same network need other ones.
	 */
	readonly virtualRouterIds?: { readonly from: number; readonly to: number };
	/** Services that ask for no pool and no address get one of these. Default true. */
	readonly autoAssign?: boolean;
	/** Only Services of these namespaces. Empty: all. */
	readonly namespaces?: readonly string[];
	/** Only Services with these labels. */
	readonly serviceSelector?: Readonly<Record<string, string>>;
	/** Only nodes with these labels hold addresses. */
	readonly nodeSelector?: Readonly<Record<string, string>>;
	/** Default: the node's interface whose network holds the address. */
	readonly interface?: string;
	/** Default `300ms`, a third of how long a new address takes; Keepmesh's fast heartbeat runs beside it. */
	readonly advertInterval?: string;
	readonly fastHeartbeat?: "default" | "fast" | "off";
	/** An address goes back to the node that comes first for it when that one is there again. Default true. */
	readonly preempt?: boolean;
	/** Default `10s`. */
	readonly preemptDelay?: string;
	/** When an address moves on while the node that had it lives: their packets are handed to that one. Default `follow`. */
	readonly openConnections?: "follow" | "end";
	/** The Secret is one of Keepmesh's own namespace. */
	readonly authentication?: VirtualIPAuthentication;
	/** A node holds an address only while these are good. */
	readonly checks?: readonly VirtualIPCheck[];
	/** For each virtual router a Lease, whose name begins with `name`. */
	readonly lease?: VirtualIPLease;
}
