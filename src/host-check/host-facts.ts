// What is known of a machine before anything is judged. In: nothing. Out: the one form that probes fill in and settings read.
// What could not be found out is absent, never guessed.

export interface HostFacts {
	readonly kernel: { readonly release: string; readonly major: number; readonly minor: number };
	/** Which threads may take a CPU from one that is in a system call: by none and voluntary not even real-time ones, at once. */
	readonly preemption?: "none" | "voluntary" | "full" | "lazy" | "realtime";
	readonly memoryBytes: number;
	readonly cpus: number;
	/** Value by path below /proc/sys, `net/ipv4/ip_forward`; white space as single blanks. */
	readonly sysctls: ReadonlyMap<string, string>;
	/** What files of sysctl.d and sysctl.conf set, in the order in which a start of the machine applies them. */
	readonly sysctlFiles: readonly SysctlLine[];
	readonly uses: ReadonlySet<Use>;
	/** Limits of this process: what a keepmesh process started the same way would have. */
	readonly openFiles?: { readonly soft: number; readonly hard: number };
	readonly realTimePriority?: number;
	/** Effective capabilities as a bit mask (capabilities(7)). */
	readonly capabilities?: bigint;
	readonly memoryLimitBytes?: number;
	readonly processLimit?: number;
	readonly trials: ReadonlyMap<TrialName, Trial>;
	readonly processes: readonly RunningProgram[];
	readonly listening: readonly ListeningPort[];
	/** Who holds raw sockets of VRRP, IP protocol 112. */
	readonly vrrpSockets: readonly Holder[];
	/** Base chains and the names of all others; absent: nft is not there, or may not look. */
	readonly chains?: readonly ForeignChain[];
	/** Tables of the old iptables (x_tables), whose rules nft does not show. */
	readonly legacyTables: readonly string[];
	/** Virtual servers in the kernel's IPVS; absent: this kernel has no IPVS loaded. */
	readonly virtualServers?: number;
	/** ip_vs and its like: loaded or built in, can be loaded, or not there. */
	readonly modules: ReadonlyMap<string, "present" | "loadable" | "absent">;
	readonly bridges: readonly string[];
	readonly conntrack?: { readonly entries: number; readonly dropped: number };
	/** Packets that a full input queue dropped since the start. */
	readonly inputQueueDropped?: number;
	readonly openFilesOfAll?: { readonly used: number; readonly most: number };
	readonly neighbours: { readonly ipv4?: number; readonly ipv6?: number };
	/** Interfaces whose IPv6 default route came by router advertisement. */
	readonly advertisedRoutes: readonly string[];
	/** An address that is neither link-local nor loopback. */
	readonly hasIpv6: boolean;
	readonly clock: "synchronised" | "free" | "unknown";
	readonly programs: ReadonlyMap<string, string | undefined>;
	/** `/proc/self/ns/net`. */
	readonly hasNetworkNamespaces: boolean;
}

/** What an operator says that the machine does, where it cannot be seen. */
export const uses = ["ipvs", "strict-arp", "direct-routing", "asymmetric"] as const;
export type Use = (typeof uses)[number];

export interface SysctlLine {
	readonly file: string;
	readonly key: string;
	readonly value: string;
}

/** Parts of rule sets that layer 4 needs; each is tried on the kernel without changing anything. */
export const trialNames = ["maps", "numgen", "jhash", "reject", "dynamic-set", "guard"] as const;
export type TrialName = (typeof trialNames)[number];
export type Trial = { readonly ok: true } | { readonly ok: false; readonly because: string };

export interface Holder {
	readonly pid: number;
	readonly name: string;
}

export interface RunningProgram extends Holder {
	readonly command: string;
}

export interface ListeningPort {
	readonly protocol: "tcp" | "udp";
	readonly port: number;
	readonly holder?: Holder;
}

export interface ForeignChain {
	readonly family: string;
	readonly table: string;
	readonly name: string;
	readonly hook?: string;
	readonly policy?: "accept" | "drop";
}
