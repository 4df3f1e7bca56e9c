// What a node is started with.

import type { HotSwitchPolicy } from "../../hotswitch/hot-switch-policy.ts";
import type { IpPort } from "../../node/plan/host-port.ts";
import type { PodSpec } from "../../node/plan/pod-spec.ts";
import type { KubernetesNodeOptions } from "../kubernetes/kubernetes-node-part.ts";
import type { NodeLayer4Options } from "../l4/node-layer4.ts";
import type { NodeSecurity } from "../node-certificates.ts";
import type { VipFiles } from "../vip/load-vip-config.ts";

export interface NodeOptions {
	readonly name: string;
	/** State directory; Envoy's user must be able to pass through it. */
	readonly state: string;
	/** Each control plane. */
	readonly control: readonly { readonly host: string; readonly port: number }[];
	readonly envoy: string;
	/** Default `cluster.local`. */
	readonly domainSuffix?: string;
	/** Absent: no DNS server. */
	readonly dnsListen?: IpPort;
	/** The resolvers for all other names, and for Envoy's own look-ups; without them Envoy takes the machine's. */
	readonly upstreamDns?: readonly IpPort[];
	/** The machine's own proxy; its namespace is the agent's. */
	readonly machine?: PodSpec;
	/** This machine's virtual IPs: a keepalived.conf, or a directory of VirtualIP resources. Default: none. */
	readonly virtualIps?: VipFiles;
	/** Services in the kernel. Absent: off. */
	readonly layer4?: Omit<NodeLayer4Options, "otherProblems">;
	/** New connections leave a sidecar that ends or hangs. Absent: it is started again, and nothing else is done. */
	readonly hotSwitch?: HotSwitchPolicy;
	/** An Envoy that is not as one that starts now would be hands over to a new one. Default: true; else only by order. */
	readonly replaceProxies?: boolean;
	/** Its pods are those of a Kubernetes Node. */
	readonly kubernetes?: KubernetesNodeOptions;
	/** How this node and its control planes prove themselves to each other. */
	readonly security: NodeSecurity;
}

/** Something must be put right on the machine first; the message says what, a line each. */
export class NodeCannotStart extends Error {}
