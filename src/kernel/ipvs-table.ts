// The kernel's IPVS of one network namespace: virtual servers, destinations, time-outs, daemons that share connections.
// linux/ipvs does it by generic netlink, fake/ in memory. Calls act at once.

import type { IpvsChange, VirtualServerState } from "../l4/ipvs/virtual-server.ts";
import type { Failure, Outcome } from "./host-network.ts";

export interface IpvsTable {
	/** Everybody's virtual servers, ours and others'. */
	read(): IpvsRead | Failure;
	/** Each change by itself, in order; a change that fails does not stop the next. */
	apply(changes: readonly IpvsChange[]): IpvsApplied;
	timeouts(): { readonly ok: true; readonly value: IpvsTimeouts } | Failure;
	/** 0 leaves one as it is. */
	setTimeouts(timeouts: IpvsTimeouts): Outcome;
	syncDaemons(): { readonly ok: true; readonly value: readonly SyncDaemon[] } | Failure;
	/** Tells (`master`) or hears (`backup`) of connections by multicast, so that they survive a move to the other machine. */
	startSyncDaemon(daemon: SyncDaemon): Outcome;
	stopSyncDaemon(role: SyncDaemon["role"]): Outcome;
	close(): void;
}

export interface IpvsRead {
	readonly ok: true;
	/** Sorted as the kernel tells them. */
	readonly servers: readonly VirtualServerState[];
}

export interface IpvsApplied {
	readonly done: number;
	readonly failed: readonly { readonly change: IpvsChange; readonly failure: Failure }[];
	readonly tookMs: number;
}

/** Seconds. The kernel begins with 900, 120 and 300. */
export interface IpvsTimeouts {
	readonly tcpSec: number;
	readonly tcpFinSec: number;
	readonly udpSec: number;
}

export interface SyncDaemon {
	readonly role: "master" | "backup";
	readonly interface: string;
	/** 0 to 255; a backup hears only masters with its own, or all with 0. */
	readonly syncId: number;
	/** Default 224.0.0.81 and 8848. */
	readonly group?: string;
	readonly port?: number;
	readonly ttl?: number;
}
