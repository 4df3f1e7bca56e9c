// What a plan must know of the machine that it is for. Names in parentheses are those of KubeProxyConfiguration.

import type { IpFamily } from "./balancer.ts";
import type { SchedulerName } from "./scheduler.ts";

export interface NodeFacts {
	readonly name: string;
	/** `topology.kubernetes.io/zone`. */
	readonly zone?: string;
	/** Families with rules; one without an address on the node may be left out. */
	readonly families: readonly IpFamily[];
	/** Where node ports are answered (`nodePortAddresses`; nftables' default there: the node's primary addresses). */
	readonly nodePortAddresses: readonly string[];
	/** Its own address of each family (`nodeIP`): who may come from it to a load balancer's. Absent: nodePortAddresses. */
	readonly nodeAddresses?: readonly string[];
	/** How packets of this cluster's pods are known (`detectLocalMode`). Absent: nothing is masqueraded for its source alone. */
	readonly localTraffic?: LocalTraffic;
	/** Bit of the packet mark that asks for masquerade (`nftables.masqueradeBit`, `iptables.masqueradeBit`). Default 14. */
	readonly masqueradeBit: number;
	/** Every connection to a cluster address is masqueraded (`masqueradeAll`). */
	readonly masqueradeAll: boolean;
	/** Default random (nftables), rr (IPVS; `ipvs.scheduler`). */
	readonly scheduler: SchedulerName;
}

export type LocalTraffic =
	/** `ClusterCIDR`, `NodeCIDR`. */
	| { readonly type: "ranges"; readonly ranges: readonly string[] }
	/** `BridgeInterface`; `InterfaceNamePrefix` with `isPrefix`. */
	| { readonly type: "interface"; readonly name: string; readonly isPrefix: boolean };
