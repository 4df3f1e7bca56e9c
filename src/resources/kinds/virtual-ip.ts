// VirtualIP, keepmesh.io/v1alpha1: addresses that one node at a time holds, over VRRP. Durations are texts like `100ms`.

export interface VirtualIPSpec {
	/** `192.168.1.100/24`, with the words of `ip address` after it where needed: `dev eth1 label eth1:0`. One family. */
	readonly addresses: readonly string[];
	/** Move with them and are not in the adverts; of either family. */
	readonly excludedAddresses?: readonly string[];
	/** Default: the interface of the node whose network holds the first address. */
	readonly interface?: string;
	/** The same on every node; nobody else on the network may use it. */
	readonly virtualRouterId: number;
	/** Default 3. Version 2 speaks IPv4 only, in whole seconds. */
	readonly version?: 2 | 3;
	/** Default `1s`: plain VRRP for everybody else on the network; Keepmesh nodes use the fast heartbeat beside it. */
	readonly advertInterval?: string;
	/** Default 100. 255 owns the addresses: it always claims, whatever checks say. */
	readonly priority?: number;
	/** Nodes that may hold the addresses. Empty: every node that reads this, with `priority`. */
	readonly nodes?: readonly VirtualIPNode[];
	/** On Kubernetes: nodes with these labels may hold the addresses, beside those of `nodes`. */
	readonly nodeSelector?: Readonly<Record<string, string>>;
	/** On Kubernetes the default is unicast to the other nodes' addresses. */
	readonly transport?: VirtualIPTransport;
	readonly authentication?: VirtualIPAuthentication;
	/** A node with a higher priority takes the addresses over from a lower one that is healthy. Default true. */
	readonly preempt?: boolean;
	/** Default `0s`. */
	readonly preemptDelay?: string;
	/**
	 * What becomes of connections that a node translated to a server elsewhere, when the addresses move on while that node lives:
	 * `follow`: their packets are handed to it. Default `end`. Not for programs of the nodes themselves.
	 */
	readonly openConnections?: "follow" | "end";
	/** Default BACKUP: waits for a sign of another owner. MASTER makes a difference with priority 255 only. */
	readonly initialState?: "MASTER" | "BACKUP";
	readonly checks?: readonly VirtualIPCheck[];
	/** When every node says that it is dead: the last owner holds the addresses, or nobody has them. Default hold. */
	readonly whenAllFail?: "hold" | "release";
	/** At least this long between two moves of free will. Default `10s`, doubled each time up to `maxHoldDown`. */
	readonly holdDown?: string;
	/** Default `5m`. */
	readonly maxHoldDown?: string;
	/** Between Keepmesh nodes: `default` finds a dead owner in 100 ms, `fast` in 45 ms. Default `default`. */
	readonly fastHeartbeat?: "default" | "fast" | "off";
	/** Addresses live on an interface with VRRP's own MAC address. */
	readonly virtualMac?: { readonly interface?: string; readonly mac?: string; readonly sendFromBase?: boolean };
	/** Gratuitous ARP and unsolicited neighbour advertisements. */
	readonly garp?: VirtualIPGarp;
	/** The lease of that name advises who claims the addresses first; it never takes them from a healthy owner. */
	readonly lease?: VirtualIPLease;
	/** VirtualIPs of the same group are held by the same node. */
	readonly syncGroup?: string;
	/** `ip route` words, added with the addresses: `default via 10.0.0.1 dev eth0 table 100`. */
	readonly routes?: readonly string[];
	/** `ip rule` words. */
	readonly rules?: readonly string[];
	/** Commands as lists; the last four arguments are INSTANCE, name, state, priority for `any`. */
	readonly notify?: VirtualIPNotify;
	/** keepalived's `down_timer_adverts`: intervals without an advert until the owner counts as gone. Default 3. */
	readonly downAfterAdverts?: number;
	/** A node that holds the addresses answers on them although it does not own them. Default true. */
	readonly accept?: boolean;
	/** keepalived's strict mode. Default false. */
	readonly strict?: boolean;
	/** The addresses of adverts are compared with the own ones; a difference is counted. Default true. */
	readonly checkAddresses?: boolean;
	/** A link that is down is a fault. Default true. */
	readonly trackInterface?: boolean;
	/** `sourceAddress` gone from the node is a fault. Default false. */
	readonly trackSourceAddress?: boolean;
	/** RFC 9568: an owner that hears a lower priority speaks at once. Default true. */
	readonly advertOnLowerPriority?: boolean;
	/** Default false. */
	readonly advertOnHigherPriority?: boolean;
	/** What notifications and metrics call it. Default: the resource's name. */
	readonly instanceName?: string;
}

export interface VirtualIPLease {
	readonly name: string;
	/** Default: the resource's. */
	readonly namespace?: string;
	/** A directory that the nodes share; the lease is a file in it. */
	readonly directory?: string;
	/** Whole seconds. Default `15s`; the owner renews it at a third of that. */
	readonly duration?: string;
	/** Most by which a claim waits for the holder. Default `1s`, at most `1m`; `0s`: the lease is only kept and shown. */
	readonly maxDelay?: string;
	/**
	 * `advises`: beside VRRP, as a witness. `decides`: instead of VRRP, where nodes cannot hear each other; the holder has the
	 * addresses. Default advises. The default duration of a lease that decides is `5s`.
	 */
	readonly role?: "advises" | "decides";
	/**
	 * Of one that decides: the owner that cannot renew it in time goes on until it hears another machine answer for an address
	 * (`keep`), or lets go at once (`release`). Default keep.
	 */
	readonly whenUnreachable?: "keep" | "release";
}

export interface VirtualIPNode {
	readonly node: string;
	/** Default: the spec's. */
	readonly priority?: number;
	/** What adverts come from; the other nodes' unicast peer. */
	readonly sourceAddress?: string;
	readonly interface?: string;
	readonly initialState?: "MASTER" | "BACKUP";
}

export interface VirtualIPTransport {
	/** Default multicast. Unicast without peers: the other nodes' `sourceAddress`. */
	readonly type?: "multicast" | "unicast";
	readonly group?: string;
	readonly peers?: readonly string[];
	/** Default 255. */
	readonly ttl?: number;
	/** Only packets of the peers are taken. Default true. */
	readonly checkSource?: boolean;
}

/** `pass` (8 bytes, clear text) and `ah` exist in version 2. One of secretName and keyFile. */
export interface VirtualIPAuthentication {
	readonly type: "pass" | "ah" | "hmac";
	/** A Secret of the same namespace, key `key`. */
	readonly secretName?: string;
	/** A file on the node whose first line is the key. */
	readonly keyFile?: string;
}

/** One of script, file, process, interface, route, tcp, http, grpc, envoyReady, controlReady, apiServer is set. */
export interface VirtualIPCheck {
	readonly name: string;
	readonly script?: { readonly command: readonly string[]; readonly user?: string; readonly group?: string };
	readonly file?: { readonly path: string; readonly initial?: number; readonly overwrites?: boolean };
	readonly process?: VirtualIPProcess;
	readonly interface?: string;
	/** Present in the routing table. */
	readonly route?: string;
	readonly tcp?: { readonly host?: string; readonly port: number };
	/** As `curl -f`: a status under 400 is good. */
	readonly http?: { readonly url: string; readonly insecure?: boolean };
	readonly grpc?: { readonly host?: string; readonly port: number; readonly service?: string };
	/** The node's Envoy answers on :15021/healthz/ready. */
	readonly envoyReady?: { readonly port?: number };
	/** The node's control plane answers on :15014/readyz. */
	readonly controlReady?: { readonly port?: number };
	/** The node's Kubernetes API server answers on :6443/livez. */
	readonly apiServer?: { readonly port?: number };
	/** Defaults: `50ms` for probes, `1s` for scripts. */
	readonly interval?: string;
	/** Defaults: `250ms` for probes, the interval for scripts. */
	readonly timeout?: string;
	/** Good results in a row until it is good again. Defaults 10 for probes, 2 for scripts, else 1. */
	readonly rise?: number;
	/** Bad results in a row until it has failed. Defaults 2 for probes and scripts, else 1. */
	readonly fall?: number;
	/**
	 * `dead`: the addresses go at once. `degraded`: the priority goes down by `weight`, and when all nodes are degraded the
	 * best keeps them. Default: dead without a weight; with a weight, as keepalived's weights work.
	 */
	readonly class?: "dead" | "degraded";
	/** Default for degraded: enough to cross the widest gap between the nodes' priorities, else -50. */
	readonly weight?: number;
	readonly reverse?: boolean;
	/** Counts as failed until it was good `rise` times. Default false. */
	readonly startsFailed?: boolean;
	/** keepalived's start: the first result decides, whatever rise and fall say. Default false. */
	readonly firstResultDecides?: boolean;
}

export interface VirtualIPProcess {
	readonly name: string;
	readonly arguments?: readonly string[];
	readonly argumentMatch?: "exact" | "partial" | "initial";
	readonly fullCommand?: boolean;
	/** So many must run. Default 1. */
	readonly quorum?: number;
	readonly quorumMax?: number;
	readonly delay?: string;
	readonly terminateDelay?: string;
}

export interface VirtualIPGarp {
	/** Copies at once and again after `delay`. Defaults 5 and `5s`. */
	readonly repeat?: number;
	readonly delay?: string;
	/** Now and again while it owns. Default `0s`: never. */
	readonly refresh?: string;
	readonly refreshRepeat?: number;
	readonly spacing?: string;
	readonly lowerPriorityRepeat?: number;
	readonly lowerPriorityDelay?: string;
}

export interface VirtualIPNotify {
	readonly master?: readonly string[];
	readonly backup?: readonly string[];
	readonly fault?: readonly string[];
	readonly stop?: readonly string[];
	readonly deleted?: readonly string[];
	readonly any?: readonly string[];
	readonly lowerPriorityHeard?: readonly string[];
}
