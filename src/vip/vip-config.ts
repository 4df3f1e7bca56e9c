// What a virtual-IP process runs: virtual routers, groups of them, and what is tracked. Made from keepalived.conf or from
// VirtualIP resources, with every default filled in; nothing here is text that must still be understood.

export interface VipConfig {
	readonly global: VipGlobal;
	/** Names are unique. */
	readonly instances: readonly InstanceConfig[];
	readonly groups: readonly SyncGroupConfig[];
	/** Names are unique. */
	readonly trackers: readonly TrackerConfig[];
}

export interface VipGlobal {
	/** `router_id`: how this machine calls itself in logs and notifications. */
	readonly routerName: string;
	/** No instance claims before that time after the start. Default 0. */
	readonly startupDelayMs: number;
	readonly multicastGroup4: string;
	readonly multicastGroup6: string;
	readonly notifyFifos: readonly string[];
	/** Commands that keepalived starts to read a FIFO, whose path is their last argument (`notify_fifo_script`). */
	readonly fifoScripts?: readonly {
		readonly fifo: string;
		readonly argv: readonly string[];
		readonly owner?: NotifyUser;
	}[];
	/** Changes of links that are over sooner are not seen (`interface_up_down_delays`). */
	readonly interfaceDelays?: readonly { readonly interface: string; readonly downMs: number; readonly upMs: number }[];
	/** User and group that scripts run as, and whether scripts that others may write are refused. */
	readonly scripts: { readonly user: string; readonly group?: string; readonly security: boolean };
}

/** One virtual router: a VRID on an interface, of one address family. */
export interface InstanceConfig {
	readonly name: string;
	readonly interface: string;
	readonly family: "ipv4" | "ipv6";
	readonly version: 2 | 3;
	/** 1 to 255. */
	readonly virtualRouterId: number;
	/** Base priority, 1 to 255; 255 owns the addresses. */
	readonly priority: number;
	/** keepalived's `state`: MASTER claims at once only together with priority 255. */
	readonly initialState: "MASTER" | "BACKUP";
	/** Version 2: whole seconds. Version 3: 10 to 40,950, in steps of 10. */
	readonly advertIntervalMs: number;
	/** In the adverts, in this order. */
	readonly addresses: readonly VirtualAddress[];
	/** Moved with them, of either family, and not in the adverts. */
	readonly excludedAddresses: readonly VirtualAddress[];
	readonly routes: readonly VirtualRoute[];
	/** Routing rules that move with the addresses (`virtual_rules`). */
	readonly rules?: readonly VirtualRule[];
	readonly transport: VrrpTransport;
	readonly authentication: VrrpAuthentication;
	/** How the checksum of version 3 over IPv4 is made; both forms are always accepted. */
	readonly checksum3: "pseudoHeader" | "messageOnly";
	readonly preempt: boolean;
	readonly preemptDelayMs: number;
	/** Packets of connections that the owner before translated are handed to it while it lives. Default false. */
	readonly followsOpenConnections?: boolean;
	/** keepalived's `down_timer_adverts`, default 3: intervals without an advert until the master counts as gone. */
	readonly downAfterAdverts: number;
	readonly announce: AnnounceSchedule;
	/** A master that hears a lower priority sends an advert at once. Default true (RFC 9568; `lower_prio_no_advert`). */
	readonly advertOnLowerPriority: boolean;
	/** One last advert when a higher priority takes over. Default false (`higher_prio_send_advert`). */
	readonly advertOnHigherPriority: boolean;
	/** Addresses in adverts are compared with the own ones; a difference is counted and said, never dropped. */
	readonly checkAddresses: boolean;
	readonly strict: boolean;
	/** Packets to the addresses are taken by a master that does not own them. Default true, as keepalived has it. */
	readonly accept: boolean;
	readonly virtualMac?: VirtualMac;
	readonly tracked: readonly TrackedBy[];
	/** The instance's own interface is not watched (`dont_track_primary`). Default false. */
	readonly ignoresOwnInterface: boolean;
	readonly trackSourceAddress: boolean;
	/** Stays in FAULT as long as there is no unicast peer (`unicast_fault_no_peer`). Default false. */
	readonly faultWithoutPeers?: boolean;
	/** Other addresses of the same range stay when one is removed (`promote_secondaries`). Default false. */
	readonly promoteSecondaries?: boolean;
	readonly health: HealthPolicy;
	readonly fastHeartbeat?: FastHeartbeatConfig;
	/** A lease that advises who should hold the addresses, and never takes them from a healthy owner. */
	readonly lease?: LeaseConfig;
	readonly notify: NotifyConfig;
}

export interface LeaseConfig {
	readonly name: string;
	readonly namespace: string;
	/** Shared by the nodes; the lease is a file in it. Without: a Lease of Kubernetes. */
	readonly directory?: string;
	/** Whole seconds, at least 3. Default 15 s; renewed at a third of it. */
	readonly durationMs?: number;
	/** Most by which a claim is put off for the holder's sake. Default 1 s, at most 60 s. */
	readonly maxDelayMs?: number;
	/** Instead of VRRP: the holder owns, and nobody else. Default false. */
	readonly decides?: boolean;
	/** Of one that decides: an owner that cannot renew it lets go in time. Default: it goes on until it hears another owner. */
	readonly releasesWhenUnreachable?: boolean;
}

export interface VirtualAddress {
	readonly address: string;
	readonly prefixLength: number;
	/** Default: the instance's. */
	readonly interface?: string;
	readonly label?: string;
	readonly scope?: "global" | "link" | "host" | "site";
	readonly broadcast?: string;
	/** Address of the other end (`peer`), with its prefix length. */
	readonly peer?: string;
	/** Not put back, and no FAULT, when somebody else removes it (`no_track`). Default false. */
	readonly untracked?: boolean;
	/** IPv6: 0 makes it deprecated, so that it is no source of own connections. Default for /128: 0, else forever. */
	readonly preferredLifetimeSec?: number;
	readonly noPrefixRoute?: boolean;
}

/** `ip rule`: who looks up which table. */
export interface VirtualRule {
	readonly family: "ipv4" | "ipv6";
	readonly from?: string;
	readonly to?: string;
	readonly table?: number;
	readonly preference?: number;
	readonly incomingInterface?: string;
	readonly outgoingInterface?: string;
	readonly mark?: number;
	readonly untracked?: boolean;
}

export interface VirtualRoute {
	/** `default` or a range. */
	readonly destination: string;
	readonly gateway?: string;
	readonly interface?: string;
	readonly source?: string;
	readonly table?: number;
	readonly metric?: number;
	/** Default unicast. */
	readonly type?: "unicast" | "blackhole" | "unreachable" | "prohibit";
	/** Default: by destination and gateway. */
	readonly family?: "ipv4" | "ipv6";
	readonly scope?: "global" | "link" | "host" | "site";
	readonly onlink?: boolean;
	/** Not put back, and no FAULT, when somebody else removes it (`no_track`). Default false. */
	readonly untracked?: boolean;
}

export type VrrpTransport =
	| { readonly type: "multicast"; readonly group: string; readonly source?: string }
	| {
			readonly type: "unicast";
			readonly source?: string;
			readonly peers: readonly UnicastPeer[];
			/** TTL or hop limit of what is sent. Default 255. */
			readonly ttl: number;
			/** Only packets of the peers are taken. keepalived's default is off; Keepmesh's own resources turn it on. */
			readonly checkSource: boolean;
	  };

export interface UnicastPeer {
	readonly address: string;
	readonly minTtl?: number;
	readonly maxTtl?: number;
}

/** `pass` and `ah` exist in version 2 only. Keys are never printed. */
export type VrrpAuthentication =
	| { readonly type: "none" }
	/** At most 8 bytes, padded with zeros on the wire. */
	| { readonly type: "pass"; readonly key: string }
	| { readonly type: "ah"; readonly key: string }
	| {
			readonly type: "hmac";
			/** 32 to 64 bytes, as text or `hex:...`. Signs and verifies. */
			readonly key: string;
			/** Of `key`, 1 to 255. Default 1. */
			readonly keyId?: number;
			/** Verify only, for the time of a key's rotation. */
			readonly otherKeys?: readonly { readonly id: number; readonly key: string }[];
			/** How far clocks may differ; 0: only growing sequences are asked for. Default: 3 intervals, at least 5. */
			readonly windowSeconds?: number;
			/** `permissive` takes adverts without a trailer as well. Default enforce. */
			readonly mode?: "enforce" | "permissive";
	  };

/** Gratuitous ARP and unsolicited neighbour advertisements: a burst at once, another after a delay, then now and again. */
export interface AnnounceSchedule {
	/** Copies at once and again after `delayMs`. Defaults 5 and 5,000. */
	readonly repeat: number;
	readonly delayMs: number;
	/** 0: never again. Default 0, 1. */
	readonly refreshMs: number;
	readonly refreshRepeat: number;
	/** Between two of one burst. Default 0. */
	readonly spacingMs: number;
	/** The same for neighbour advertisements (`vrrp_gna_interval`). Default: as above. */
	readonly neighbourSpacingMs?: number;
	/** When a lower priority was heard while master. Default: as above. */
	readonly lowerPriorityRepeat: number;
	readonly lowerPriorityDelayMs: number;
}

/** `use_vmac`: an interface of its own with 00:00:5e:00:01:VRID (02 for IPv6). */
export interface VirtualMac {
	/** Default `vrrp.VRID`. */
	readonly interface: string;
	/** Default made of the VRID. */
	readonly mac?: string;
	/** Adverts leave by the real interface all the same (`vmac_xmit_base`). */
	readonly sendFromBase: boolean;
}

export interface SyncGroupConfig {
	readonly name: string;
	readonly members: readonly string[];
	readonly tracked: readonly TrackedBy[];
	/** Weights count for members (`sync_group_tracking_weight`). Default false: members' weighted trackers are ignored. */
	readonly usesWeights: boolean;
	readonly notify: NotifyConfig;
}

export interface TrackedBy {
	readonly tracker: string;
	/** -253 to 253. 0: a failure is a FAULT. Absent: the tracker's own. */
	readonly weight?: number;
	readonly reverse?: boolean;
}

/** Something whose health moves priorities. */
export interface TrackerConfig {
	readonly name: string;
	readonly weight: number;
	readonly reverse: boolean;
	/** Good results until it counts as up, bad ones until it counts as down. Defaults 1 and 1. */
	readonly rise: number;
	readonly fall: number;
	/** Starts as failed (`init_fail`). */
	readonly startsFailed: boolean;
	/** keepalived's: one bad result decides at the start, whatever fall says. A good one always does. */
	readonly firstResultDecides: boolean;
	/** `dead`: releases at once, whatever the weight. `degraded`: lowers the priority. Absent: as the weight says. */
	readonly failureClass?: "dead" | "degraded";
	readonly check: TrackerCheck;
}

export type TrackerCheck =
	| ({
			readonly type: "script";
			readonly argv: readonly string[];
			readonly user?: string;
			readonly group?: string;
	  } & Polled)
	/** Number in a file, times the weight. */
	| {
			readonly type: "file";
			readonly path: string;
			/** Written at the start when the file is not there (`init_file`), or always with `overwrites`. */
			readonly initial?: number;
			readonly overwrites?: boolean;
			/** What is further from 0 counts as that. Default 254. */
			readonly limit?: number;
	  }
	| {
			readonly type: "process";
			readonly name: string;
			readonly arguments?: readonly string[];
			/** How arguments are compared: the first ones, or the last one by its beginning. Default exact. */
			readonly argumentMatch?: "exact" | "partial" | "initial";
			/** The whole command line is compared, not the name of the process (`full_command`). */
			readonly fullCommand?: boolean;
			/** So many must run. Default 1. */
			readonly quorum: number;
			readonly quorumMax?: number;
			readonly delayMs: number;
			readonly terminateDelayMs?: number;
	  }
	| { readonly type: "interface"; readonly interface: string }
	/** Present in the routing table. */
	| { readonly type: "route"; readonly destination: string }
	| ({ readonly type: "tcp"; readonly host: string; readonly port: number } & Polled)
	/** As `curl -f`: a status under 400 is good. */
	| ({
			readonly type: "http";
			readonly url: string;
			readonly insecure: boolean;
			/** PEM file of the authorities to trust. Default: those of Node. */
			readonly caFile?: string;
	  } & Polled)
	| ({ readonly type: "grpc"; readonly host: string; readonly port: number; readonly service: string } & Polled)
	/** Envoy's :15021/healthz/ready, a control plane's /readyz, a Kubernetes API server's /livez: http with their defaults. */
	| {
			readonly type: "bfd";
			readonly peer: string;
			readonly source?: string;
			/** Defaults 10, 10, 1000. */
			readonly minReceiveMs?: number;
			readonly minTransmitMs?: number;
			readonly idleTransmitMs?: number;
			/** Packets missed until the session is down. Default 5. */
			readonly multiplier?: number;
			readonly passive?: boolean;
			/** TTL or hop limit of what is sent. Defaults 255 and 64. */
			readonly ttl?: number;
			/** Most by which it may have shrunk. Default 0; 255: any. */
			readonly maxHops?: number;
	  };

interface Polled {
	readonly intervalMs: number;
	readonly timeoutMs: number;
}

export interface HealthPolicy {
	/** When every node says dead: the last owner holds the address, or nobody has it. Default for resources: hold. */
	readonly whenAllFail: "hold" | "release";
	/** At least this long between two moves of free will, doubled each time up to `maxHoldDownMs`. Default 0: keepalived's. */
	readonly holdDownMs: number;
	readonly maxHoldDownMs: number;
}

/** Between Keepmesh nodes, beside the adverts. */
export interface FastHeartbeatConfig {
	readonly intervalMs: number;
	/** So many are missed until the peer counts as gone. */
	readonly missed: number;
	/** UDP. Default 15112. */
	readonly port: number;
}

export type NotifyEvent = "master" | "backup" | "fault" | "stop" | "deleted" | "any" | "lowerPriorityHeard";

export interface NotifyUser {
	readonly user: string;
	/** Default: the user's. */
	readonly group?: string;
}

/** Commands as argument lists. */
export interface NotifyConfig {
	/** As whom a command runs. Default: the global one. */
	readonly users?: Partial<Readonly<Record<NotifyEvent, NotifyUser>>>;
	/** An instance that a reload takes away is told as DELETED instead of FAULT (`notify_deleted`). Default false. */
	readonly sendsDeleted?: boolean;
	/** FIFOs hear of changed priorities (`notify_priority_changes`). Default false. */
	readonly priorityChanges?: boolean;
	readonly master?: readonly string[];
	readonly backup?: readonly string[];
	readonly fault?: readonly string[];
	readonly stop?: readonly string[];
	readonly deleted?: readonly string[];
	/** After the specific one, with INSTANCE|GROUP, name, state, priority. */
	readonly any?: readonly string[];
	/** `notify_master_rx_lower_pri` */
	readonly lowerPriorityHeard?: readonly string[];
}
