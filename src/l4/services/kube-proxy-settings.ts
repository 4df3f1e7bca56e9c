// What a KubeProxyConfiguration asks for, in Keepmesh's words; and, together with the machine's addresses, the facts that plans
// are made from.

import type { IpFamily } from "../balancer.ts";
import type { LocalTraffic, NodeFacts } from "../node-facts.ts";
import type { SchedulerName } from "../scheduler.ts";
import { canonicalAddress, familyOf, rangeHolds } from "./canonical-address.ts";

export interface KubeProxySettings {
	/** `iptables` and no mode at all become nftables. */
	readonly backend: "nftables" | "ipvs";
	/** `hostnameOverride`. */
	readonly nodeName?: string;
	/** `bindAddress`: the node's own address, of its family. */
	readonly nodeAddress?: string;
	readonly nodePorts: NodePortAddresses;
	readonly pods: PodDetection;
	readonly masqueradeBit: number;
	readonly masqueradeAll: boolean;
	/** Absent: random with nftables, rr with IPVS. */
	readonly scheduler?: SchedulerName;
	/** How often IPVS' tables, which nobody can watch, are compared anew. Default 30 s. */
	readonly syncPeriodMs: number;
	readonly ipvs: IpvsSettings;
	/** Where `/healthz` and `/livez` are answered. Default 0.0.0.0:10256. */
	readonly health: ListenAddress;
	/** Default 127.0.0.1:10249. */
	readonly metrics: ListenAddress;
}

export type NodePortAddresses =
	/** The node's own address of each family: nftables' default. */
	| { readonly type: "primary" }
	/** Every address of the machine but loopback: the default of the other modes. */
	| { readonly type: "all" }
	/** Those of its addresses that are in one of them. */
	| { readonly type: "ranges"; readonly ranges: readonly string[] };

export type PodDetection =
	| { readonly type: "none" }
	/** `NodeCIDR`: the ranges that the cluster gave this node. */
	| { readonly type: "nodeRanges" }
	| { readonly type: "traffic"; readonly traffic: LocalTraffic };

export interface IpvsSettings {
	readonly strictArp: boolean;
	/** Virtual servers in these ranges are somebody else's. */
	readonly excludeRanges: readonly string[];
	/** Absent: the kernel's is left as it is. */
	readonly tcpTimeoutSec?: number;
	readonly tcpFinTimeoutSec?: number;
	readonly udpTimeoutSec?: number;
}

export interface ListenAddress {
	readonly address: string;
	readonly port: number;
}

/** What is known of the machine without any configuration. */
export interface MachineFacts {
	readonly name: string;
	readonly zone?: string;
	readonly families: readonly IpFamily[];
	/** The node's own, one of each family. */
	readonly primaryAddresses: readonly string[];
	/** All that its interfaces have. */
	readonly addresses: readonly string[];
	/** `spec.podCIDRs` of its Node. */
	readonly podRanges: readonly string[];
}

export function nodeFactsOf(settings: KubeProxySettings, machine: MachineFacts): NodeFacts {
	const nodeAddresses = ownAddresses(settings, machine);
	const localTraffic = localTrafficFrom(settings.pods, machine);
	return {
		name: settings.nodeName ?? machine.name,
		...(machine.zone === undefined ? {} : { zone: machine.zone }),
		families: machine.families,
		nodeAddresses,
		nodePortAddresses: nodePortAddressesOf(settings.nodePorts, nodeAddresses, machine),
		...(localTraffic === undefined ? {} : { localTraffic }),
		masqueradeBit: settings.masqueradeBit,
		masqueradeAll: settings.masqueradeAll,
		scheduler: settings.scheduler ?? (settings.backend === "ipvs" ? "rr" : "random"),
	};
}

function ownAddresses({ nodeAddress }: KubeProxySettings, machine: MachineFacts): readonly string[] {
	const found = machine.primaryAddresses.map((text) => canonicalAddress(text)?.text ?? text);
	if (nodeAddress === undefined) return found;
	return [nodeAddress, ...found.filter((address) => familyOf(address) !== familyOf(nodeAddress))];
}

function nodePortAddressesOf(
	wanted: NodePortAddresses,
	own: readonly string[],
	machine: MachineFacts,
): readonly string[] {
	const all = machine.addresses.flatMap((text) => canonicalAddress(text)?.text ?? []).filter(isNoLoopback);
	switch (wanted.type) {
		case "primary":
			return own;
		case "all":
			return all;
		case "ranges":
			return all.filter((address) => wanted.ranges.some((range) => rangeHolds(range, address)));
		default:
			return wanted satisfies never;
	}
}

function isNoLoopback(address: string): boolean {
	return address !== "::1" && !address.startsWith("127.");
}

function localTrafficFrom(pods: PodDetection, machine: MachineFacts): LocalTraffic | undefined {
	switch (pods.type) {
		case "none":
			return undefined;
		case "nodeRanges":
			return machine.podRanges.length > 0 ? { type: "ranges", ranges: machine.podRanges } : undefined;
		case "traffic":
			return pods.traffic;
		default:
			return pods satisfies never;
	}
}
