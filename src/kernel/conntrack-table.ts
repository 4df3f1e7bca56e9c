// Connections that the kernel tracks: seen, and forgotten so that the next packet is balanced anew. linux/conntrack does it by
// netlink, fake/ in memory.

import type { AddressFamily, Failure } from "./host-network.ts";

export interface ConntrackTable {
	list(filter?: FlowFilter): ListedFlows;
	/** What the filter finds and `isStale` wants gone. Flows of protocols without ports are passed over. */
	deleteWhere(filter: FlowFilter, isStale: (flow: Flow) => boolean): DeletedFlows;
	/** The same while this thread goes on: looking takes the kernel tens of milliseconds. One at a time. */
	deleteWhereLater(filter: FlowFilter, isStale: (flow: Flow) => boolean): Promise<DeletedFlows>;
	/** UDP flows whose destination was translated, of both families: of those `isStale` decides. */
	deleteStaleUdp(isStale: (flow: Flow) => boolean): DeletedFlows;
	close(): void;
}

export type ListedFlows = { readonly ok: true; readonly flows: readonly Flow[] } | Failure;

/** `deleted` may be less than what was stale: flows end by themselves meanwhile. */
export type DeletedFlows = { readonly ok: true; readonly looked: number; readonly deleted: number } | Failure;

/** All that is named must be so. */
export interface FlowFilter {
	/** Absent: both. */
	readonly family?: AddressFamily;
	readonly protocol?: FlowProtocol;
	/** Its destination was translated (DNAT). */
	readonly destinationTranslated?: boolean;
	/** Somebody has answered. */
	readonly seenReply?: boolean;
	/** Of the first packet, before translation. */
	readonly destination?: string;
	readonly destinationPort?: number;
	readonly mark?: { readonly value: number; readonly mask: number };
	readonly zone?: number;
}

/** Others than these three have no ports. */
export type FlowProtocol = "tcp" | "udp" | "sctp" | number;

export interface Flow {
	readonly family: AddressFamily;
	readonly protocol: FlowProtocol;
	/** As the first packet came. */
	readonly original: FlowTuple;
	/** As answers come: the source is who really serves, the destination whom they are sent to. */
	readonly reply: FlowTuple;
	readonly status: FlowStatus;
	readonly mark: number;
	/** 0 where no zones are used. */
	readonly zone: number;
	/** How the kernel tells a flow from a later one with the same addresses. */
	readonly id: number;
	readonly timeoutSec: number;
}

export interface FlowTuple {
	readonly source: string;
	readonly destination: string;
	/** 0 where the protocol has no ports. */
	readonly sourcePort: number;
	readonly destinationPort: number;
}

export interface FlowStatus {
	readonly seenReply: boolean;
	readonly assured: boolean;
	readonly sourceTranslated: boolean;
	readonly destinationTranslated: boolean;
}
