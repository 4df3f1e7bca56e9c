// IPVS as values: virtual servers and the destinations behind them, as the kernel holds them (ipvsadm(8)). In: nothing.
// Out: what plans are made of, what prints as ipvsadm writes it, what kernel/linux/ipvs sends by netlink.

import type { Forwarding, IpFamily } from "../balancer.ts";
import type { Layer4Protocol } from "../layer4-service.ts";

/** What the kernel tells virtual servers apart by. */
export type VirtualServerKey = { readonly family: IpFamily } & (
	| {
			readonly type: "address";
			readonly protocol: Layer4Protocol;
			readonly address: string;
			/** 0: all ports. */
			readonly port: number;
	  }
	/** Packets with exactly this mark; asked before addresses are. */
	| { readonly type: "mark"; readonly mark: number }
);

export interface VirtualServer {
	readonly key: VirtualServerKey;
	/** The kernel's name: `rr`, `wlc`, `mh`... */
	readonly scheduler: string;
	/** Connections of a client go where its last one went. `netmask`: clients of a range count as one; its length, default whole addresses. */
	readonly persistence?: { readonly timeoutSec: number; readonly prefixLength?: number };
	/** UDP: each packet chooses anew. */
	readonly onePacket?: boolean;
	/** What the three flags mean is the scheduler's: `flag-1` is sh-fallback or mh-fallback, `flag-2` sh-port or mh-port. */
	readonly schedulerFlags?: readonly (1 | 2 | 3)[];
	/** Persistence by content: `sip`. */
	readonly persistenceEngine?: string;
}

export interface Destination {
	readonly address: string;
	readonly port: number;
	/** 0: no new connections. */
	readonly weight: number;
	readonly forwarding: Forwarding;
	/** Connections; 0: no limit. */
	readonly upperThreshold: number;
	readonly lowerThreshold: number;
}

/** Each is done by itself; IPVS has no transactions. */
export type IpvsChange =
	| { readonly type: "addServer" | "editServer"; readonly server: VirtualServer }
	| { readonly type: "deleteServer"; readonly key: VirtualServerKey }
	| {
			readonly type: "addDestination" | "editDestination";
			readonly key: VirtualServerKey;
			readonly destination: Destination;
	  }
	| {
			readonly type: "deleteDestination";
			readonly key: VirtualServerKey;
			readonly address: string;
			readonly port: number;
	  };

export interface Counters {
	readonly connections: number;
	readonly packetsIn: number;
	readonly packetsOut: number;
	readonly bytesIn: number;
	readonly bytesOut: number;
}

/** What the kernel has now. */
export interface VirtualServerState {
	readonly server: VirtualServer;
	readonly counters: Counters;
	readonly destinations: readonly DestinationState[];
}

export interface DestinationState {
	readonly destination: Destination;
	readonly activeConnections: number;
	/** Ending, or of protocols without connections. */
	readonly inactiveConnections: number;
	readonly persistentConnections: number;
	readonly counters: Counters;
}

/** `tcp 10.96.0.1:80`, `udp [fd00::1]:53`, `mark 65536 ipv4`: unique, and what records of ownership hold. */
export function virtualServerName(key: VirtualServerKey): string {
	if (key.type === "mark") return `mark ${key.mark} ${key.family}`;
	return `${key.protocol} ${hostAndPort(key.address, key.port)}`;
}

export const destinationName = (destination: { readonly address: string; readonly port: number }): string =>
	hostAndPort(destination.address, destination.port);

export const hostAndPort = (address: string, port: number): string =>
	address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
