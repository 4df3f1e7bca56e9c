// A vrrp_instance as its block says it, before defaults and before anything is compared with the rest of the file.

import type { UnicastPeer, VirtualRoute, VirtualRule } from "../vip-config.ts";
import type { ReadAddress } from "./conf-addresses.ts";
import type { NotifyDraft } from "./conf-notify.ts";
import type { TracksDraft } from "./conf-tracks.ts";
import type { Statement } from "./conf-tree.ts";

export interface InstanceDraft extends TracksDraft, NotifyDraft {
	readonly name: string;
	readonly statement: Statement;
	/** Statement of each directive, for what is said later about it. */
	readonly said: Map<string, Statement>;
	interface?: string;
	/** Wrong words count as BACKUP. */
	state?: "MASTER" | "BACKUP";
	virtualRouterId?: number;
	priority?: number;
	advertMicros?: number;
	version?: 2 | 3;
	/** That of the first address seen. */
	family?: "ipv4" | "ipv6";
	readonly addresses: ReadAddress[];
	readonly excluded: ReadAddress[];
	readonly routes: VirtualRoute[];
	readonly rules: VirtualRule[];
	readonly peers: UnicastPeer[];
	source?: string;
	group?: string;
	unicastTtl?: number;
	checksUnicastSource?: boolean;
	faultWithoutPeers: boolean;
	oldChecksum: boolean;
	authentication?: "PASS" | "AH";
	key?: string;
	hmac?: HmacDraft;
	/** `v3_checksum_as_v2` */
	checksumOfMessageOnly: boolean;
	/** `no_virtual_ipaddress` */
	needsNoAddress: boolean;
	noPreempt: boolean;
	preemptDelayMicros: number;
	downAfterAdverts?: number;
	garp: GarpDraft;
	noAdvertOnLower?: boolean;
	advertOnHigher?: boolean;
	skipsAddressCheck?: boolean;
	strict?: boolean;
	accept?: boolean;
	virtualMac?: { interface?: string; mac?: string };
	sendsFromBase: boolean;
	ignoresOwnInterface: boolean;
	tracksSource: boolean;
	promotesSecondaries: boolean;
}

/** `auth_hmac`; absent: the default. */
export interface HmacDraft {
	readonly keys: Map<number, string>;
	activeKey?: number;
	isMonotonic?: boolean;
	windowSeconds?: number;
	mode?: "enforce" | "permissive";
}

/** What instances and global_defs have in common; seconds. Absent: the default. */
export interface GarpDraft {
	delaySec?: number;
	repeat?: number;
	lowerDelaySec?: number;
	lowerRepeat?: number;
	refreshSec?: number;
	refreshRepeat?: number;
}

export function newInstanceDraft(name: string, statement: Statement): InstanceDraft {
	return {
		name,
		statement,
		said: new Map(),
		addresses: [],
		excluded: [],
		routes: [],
		rules: [],
		peers: [],
		tracks: [],
		notify: new Map(),
		sendsDeleted: false,
		faultWithoutPeers: false,
		oldChecksum: false,
		checksumOfMessageOnly: false,
		needsNoAddress: false,
		noPreempt: false,
		preemptDelayMicros: 0,
		garp: {},
		sendsFromBase: false,
		ignoresOwnInterface: false,
		tracksSource: false,
		promotesSecondaries: false,
	};
}
