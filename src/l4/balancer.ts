// What one node does with connections to one address (or node port) and port: who may answer, who may come, whose source is
// hidden. Plans of Services and of virtual_server blocks alike are lists of these; both kernel backends start from them.

import type { Layer4Protocol } from "./layer4-service.ts";
import type { SchedulerName } from "./scheduler.ts";

export type IpFamily = "ipv4" | "ipv6";

export interface Balancer {
	/** `NAMESPACE/NAME:PORTNAME`, or `virtual_server ADDRESS PORT`: for people, metrics and names of chains. */
	readonly owner: string;
	readonly front: Front;
	readonly protocol: Layer4Protocol;
	/** 0: all ports (virtual_server without a port). */
	readonly port: number;
	readonly scheduler: SchedulerName;
	/** `granularity`: clients of that mask are one (IPVS: a netmask, or a prefix length of IPv6). `engine`: IPVS only (`sip`). */
	readonly affinity?: { readonly timeoutSec: number; readonly granularity?: string; readonly engine?: string };
	/** IPVS only: `flag-1`, `sh-port`, `mh-fallback` ... */
	readonly schedulerFlags?: readonly string[];
	/** IPVS only: each UDP packet is a connection of its own (`ops`). */
	readonly onePacket?: boolean;
	/** `ADDRESS/LENGTH`; others are dropped. Absent: everybody may come. */
	readonly sourceRanges?: readonly string[];
	/** What new connections from elsewhere meet. */
	readonly outside: Answer;
	/** What those of this machine and of its pods meet, where it is something else (`externalTrafficPolicy: Local`). */
	readonly inside?: Answer;
}

export type Front = { readonly family: IpFamily } & (
	| { readonly type: "clusterIP" | "externalIP" | "loadBalancerIP" | "virtualServer"; readonly address: string }
	/** Any of the node's own addresses for node ports. */
	| { readonly type: "nodePort" }
	/** Packets that carry this mark (virtual_server fwmark). */
	| { readonly type: "mark"; readonly mark: number }
);

export type Answer =
	| {
			readonly type: "balance";
			/** Never empty; in canonical order. Lists that are equal are one object. */
			readonly backends: readonly Backend[];
			/** Whose connections get the node's source address; hairpin connections always do. */
			readonly masquerade: "never" | "always" | "fromOutsideCluster";
	  }
	/** `Local` with endpoints only elsewhere. */
	| { readonly type: "drop" }
	/** No endpoint at all: TCP reset or ICMP port unreachable. */
	| { readonly type: "reject" };

export interface Backend {
	readonly address: string;
	readonly port: number;
	/** Share among its peers; 0: no new connections, established ones go on. Kubernetes: always 1. */
	readonly weight: number;
	/** On this node: a hairpin is possible. */
	readonly local: boolean;
	/** How packets get there; nftables knows NAT only. */
	readonly forwarding: Forwarding;
	/** IPVS: no new connections above the upper one until below the lower one. 0 or absent: no limit. */
	readonly upperThreshold?: number;
	readonly lowerThreshold?: number;
}

export type Forwarding =
	| { readonly method: "NAT" | "DR" }
	| {
			readonly method: "TUN";
			readonly tunnel: "ipip" | "gue" | "gre";
			readonly port?: number;
			readonly checksum: "nocsum" | "csum" | "remcsum";
	  };
