// Virtual servers of keepalived.conf as plain values, every default filled in: for the layer-4 part. Times are milliseconds.

import type { Forwarding } from "../../l4/balancer.ts";
import type { ConfCommand } from "./conf-script.ts";

export interface VirtualServers {
	readonly servers: readonly VirtualServer[];
	readonly groups: readonly VirtualServerGroup[];
	/** `track_file` blocks by name, for FILE_CHECK. */
	readonly trackFiles?: ReadonlyMap<string, TrackedFile>;
}

export interface TrackedFile {
	readonly path: string;
	/** Default 1. */
	readonly weight: number;
	readonly reverse: boolean;
	/** Written at the start when the file is not there, or always with `overwrites`. */
	readonly initial?: number;
	readonly overwrites: boolean;
}

/** What is balanced: an address, packets with a mark, or all that a group names. */
export type VirtualServerTarget =
	| { readonly type: "address"; readonly address: string; readonly port?: number }
	| { readonly type: "mark"; readonly mark: number }
	| { readonly type: "group"; readonly group: string };

export interface VirtualServer {
	readonly target: VirtualServerTarget;
	/** Default wlc. */
	readonly scheduler: Scheduler;
	/** `flag-1`, `sh-port`, `mh-fallback` ... */
	readonly schedulerFlags: readonly string[];
	readonly onePacket: boolean;
	readonly forwarding: Forwarding;
	/** Default TCP; keepalived 2.2 takes UDP when nothing is said for an address. */
	readonly protocol: "TCP" | "UDP" | "SCTP";
	readonly persistence?: { readonly timeoutSec: number; readonly granularity?: string; readonly engine?: string };
	/** Checks run only while the address is on this machine. */
	readonly suspendsWithoutAddress: boolean;
	readonly virtualHost?: string;
	readonly family?: "ipv4" | "ipv6";
	/** Real servers count as down until a check says otherwise. */
	readonly alpha: boolean;
	/** Scripts of loss run when the program stops. */
	readonly omega: boolean;
	/** Weight that must be up for the service to count as up; default 1. */
	readonly quorum: number;
	readonly hysteresis: number;
	readonly quorumUp?: ConfCommand;
	readonly quorumDown?: ConfCommand;
	readonly sorryServer?: {
		readonly address: string;
		readonly port?: number;
		readonly inhibits: boolean;
		readonly forwarding: Forwarding;
	};
	readonly realServers: readonly RealServer[];
	readonly line: number;
}

export const schedulers = [
	"rr",
	"wrr",
	"lc",
	"wlc",
	"lblc",
	"lblcr",
	"sh",
	"mh",
	"dh",
	"fo",
	"ovf",
	"sed",
	"nq",
	"twos",
] as const;
export type Scheduler = (typeof schedulers)[number];

export interface RealServer {
	readonly address: string;
	/** Absent: that of the virtual server. */
	readonly port?: number;
	/** Default 1. */
	readonly weight: number;
	readonly forwarding: Forwarding;
	/** Weight 0 instead of being taken out. */
	readonly inhibitsOnFailure: boolean;
	readonly upperThreshold?: number;
	readonly lowerThreshold?: number;
	readonly virtualHost?: string;
	readonly alpha: boolean;
	readonly notifyUp?: ConfCommand;
	readonly notifyDown?: ConfCommand;
	/** All must be good. None: the server always counts as up. */
	readonly checks: readonly RealServerCheck[];
	readonly line: number;
}

/** Defaults: those of the real server, then of the virtual server. */
export interface CheckTiming {
	/** Between two checks. Default 60 s. */
	readonly delayLoopMs: number;
	/** Default 5 s. */
	readonly connectTimeoutMs: number;
	/** Further tries before a live server counts as down. Default 1; DNS 3, MISC 0. */
	readonly retry: number;
	/** Default 1 s; HTTP and SSL 3 s, DNS the delay loop. */
	readonly delayBeforeRetryMs: number;
	/** The first check waits a random time up to that. Default: the delay loop; 0: none. */
	readonly warmupMs: number;
	readonly alpha: boolean;
}

export interface CheckConnection {
	/** Default: the real server's. */
	readonly address?: string;
	readonly port?: number;
	readonly bindAddress?: string;
	readonly bindPort?: number;
	readonly bindInterface?: string;
	readonly mark?: number;
}

export interface HttpUrl {
	readonly path: string;
	/** MD5 of the body, 32 hexadecimal digits. */
	readonly digest?: string;
	/** Ranges that are good. Default 200 to 299. */
	readonly statusCodes: readonly (readonly [number, number])[];
	readonly virtualHost?: string;
	readonly regex?: {
		readonly pattern: string;
		readonly mustNotMatch: boolean;
		readonly options: readonly string[];
		readonly minOffset?: number;
		readonly maxOffset?: number;
	};
}

export type RealServerCheck = CheckTiming &
	(
		| {
				readonly type: "http";
				readonly tls: boolean;
				readonly sni: boolean;
				readonly protocol: "1.0" | "1.0C" | "1.1";
				readonly fastRecovery: boolean;
				readonly urls: readonly HttpUrl[];
				readonly connection: CheckConnection;
		  }
		| { readonly type: "tcp"; readonly connection: CheckConnection }
		| { readonly type: "smtp"; readonly heloName?: string; readonly connection: CheckConnection }
		| { readonly type: "dns"; readonly query: string; readonly name: string; readonly connection: CheckConnection }
		| {
				readonly type: "udp";
				readonly payload?: string;
				readonly requiresReply: boolean;
				readonly reply?: string;
				readonly minReplyBytes: number;
				readonly maxReplyBytes: number;
				readonly connection: CheckConnection;
		  }
		| { readonly type: "ping"; readonly connection: CheckConnection }
		| { readonly type: "misc"; readonly command: ConfCommand; readonly timeoutMs: number; readonly dynamic: boolean }
		| {
				readonly type: "file";
				readonly trackFile: string;
				/** Absent: that of the track_file block. */
				readonly weight?: number;
				readonly reverse?: boolean;
		  }
		| { readonly type: "bfd"; readonly name: string }
	);

export interface VirtualServerGroup {
	readonly name: string;
	readonly entries: readonly (
		| { readonly type: "addresses"; readonly first: string; readonly last: string; readonly port?: number }
		| { readonly type: "mark"; readonly mark: number; readonly family?: "ipv4" | "ipv6" }
	)[];
	readonly line: number;
}
