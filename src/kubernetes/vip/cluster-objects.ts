// What virtual IPs need of a cluster's objects, and nothing else of them is held. In: objects as the API server sends them. Out:
// nodes, Services that want addresses, and which nodes have endpoints of a Service.

import { askedAddressesAnnotation, virtualIpClass } from "../../l4/services/asked-addresses.ts";
import { canonicalAddress } from "../../l4/services/canonical-address.ts";
import type { EndpointSliceSpec, ServiceSpec } from "../../resources/kinds/core.ts";

/** Which addresses a Service was given; written by the leader, read by every node. */
export const allocatedAnnotation = "keepmesh.io/allocated-ips";
/** The pool that a Service wants its addresses from. */
export const poolAnnotation = "keepmesh.io/virtual-ip-pool";
/** Kubernetes' own label of nodes that no load balancer sends to. */
export const excludedLabel = "node.kubernetes.io/exclude-from-external-load-balancers";

export type Labels = Readonly<Record<string, string>>;

/** The part of every object that is read here. */
export interface RawClusterObject {
	readonly metadata: {
		readonly name: string;
		readonly namespace?: string;
		readonly uid: string;
		readonly resourceVersion: string;
		readonly creationTimestamp?: string;
		readonly deletionTimestamp?: string;
		readonly labels?: Labels;
		readonly annotations?: Labels;
	};
	readonly [field: string]: unknown;
}

export interface ClusterNode {
	readonly name: string;
	readonly labels: Labels;
	/** InternalIPs, at most one of a family. */
	readonly addresses: readonly string[];
	/** Not cordoned. */
	readonly schedulable: boolean;
}

export interface BalancedService {
	readonly namespace: string;
	readonly name: string;
	readonly uid: string;
	readonly resourceVersion: string;
	readonly createdMs: number;
	readonly labels: Labels;
	/** Of type LoadBalancer, of our class, and there to stay. Otherwise only what it was given is of interest, to take it back. */
	readonly wants: boolean;
	/** In the order of its addresses. */
	readonly families: readonly ("ipv4" | "ipv6")[];
	/** It can do with one of its families. */
	readonly needsBoth: boolean;
	readonly asked: readonly string[];
	readonly pool?: string;
	readonly allocated: readonly string[];
	/** In `status.loadBalancer`. */
	readonly ingress: readonly string[];
	/** `externalTrafficPolicy: Local`: only nodes with endpoints answer. */
	readonly local: boolean;
}

/** Of one EndpointSlice. */
export interface LocalEndpoints {
	readonly namespace: string;
	readonly slice: string;
	readonly service: string;
	/** Nodes with endpoints that are ready. */
	readonly ready: readonly string[];
	/** Nodes with endpoints that still answer while they end. */
	readonly serving: readonly string[];
}

export function keepNode({ metadata, spec, status }: RawClusterObject): ClusterNode {
	const { addresses = [] } = (status ?? {}) as { addresses?: readonly { type: string; address: string }[] };
	const own = new Map<string, string>();
	for (const { type, address } of addresses) {
		const known = type === "InternalIP" ? canonicalAddress(address) : undefined;
		if (known && !own.has(known.family)) own.set(known.family, known.text);
	}
	return {
		name: metadata.name,
		labels: metadata.labels ?? {},
		addresses: [...own.values()],
		schedulable: (spec as { unschedulable?: boolean } | undefined)?.unschedulable !== true,
	};
}

export interface ServiceClasses {
	/** Services without a `loadBalancerClass` are ours as well. */
	readonly takesClassless: boolean;
}

/** Undefined for a Service that neither wants addresses of us nor has any. */
export function keepService(raw: RawClusterObject, { takesClassless }: ServiceClasses): BalancedService | undefined {
	const { metadata } = raw;
	const spec = (raw.spec ?? {}) as ServiceSpec;
	const { ingress = [] } = ((raw.status ?? {}) as NonNullable<ServiceSpec["status"]>).loadBalancer ?? {};
	const annotations = metadata.annotations ?? {};
	const { loadBalancerClass } = spec;
	const ours = loadBalancerClass === undefined ? takesClassless : loadBalancerClass === virtualIpClass;
	const isKnown = annotations[allocatedAnnotation] !== undefined;
	// One without a class that has addresses, and not from here, is another controller's.
	const isOthers = loadBalancerClass === undefined && !isKnown && ingress.length > 0;
	const wants = spec.type === "LoadBalancer" && ours && !isOthers && metadata.deletionTimestamp === undefined;
	const allocated = addressesIn(annotations[allocatedAnnotation] ?? "");
	if (!wants && !isKnown) return undefined;
	const pool = annotations[poolAnnotation];
	return {
		namespace: metadata.namespace ?? "",
		name: metadata.name,
		uid: metadata.uid,
		resourceVersion: metadata.resourceVersion,
		createdMs: Date.parse(metadata.creationTimestamp ?? "") || 0,
		labels: metadata.labels ?? {},
		wants,
		families: (spec.ipFamilies ?? ["IPv4"]).map((family) => (family === "IPv6" ? "ipv6" : "ipv4")),
		needsBoth: spec.ipFamilyPolicy === "RequireDualStack",
		asked: addressesIn(`${spec.loadBalancerIP ?? ""},${annotations[askedAddressesAnnotation] ?? ""}`),
		...(pool === undefined ? {} : { pool }),
		allocated,
		ingress: ingress.flatMap(({ ip }) => addressesIn(ip ?? "")),
		local: spec.externalTrafficPolicy === "Local",
	};
}

/** Undefined for a slice of no Service, or of names. */
export function keepSlice(raw: RawClusterObject): LocalEndpoints | undefined {
	const { metadata } = raw;
	const service = metadata.labels?.["kubernetes.io/service-name"];
	const { addressType, endpoints } = raw as unknown as Partial<EndpointSliceSpec>;
	if (service === undefined || addressType === "FQDN") return undefined;
	const ready = new Set<string>();
	const serving = new Set<string>();
	for (const { conditions = {}, nodeName } of endpoints ?? []) {
		if (nodeName === undefined) continue;
		if (conditions.ready !== false) ready.add(nodeName);
		else if (conditions.serving === true) serving.add(nodeName);
	}
	return {
		namespace: metadata.namespace ?? "",
		slice: metadata.name,
		service,
		ready: [...ready].sort(),
		serving: [...serving].sort(),
	};
}

/** Nodes that answer for a Service: those with ready endpoints, or while there are none those whose endpoints are ending. */
export function nodesOf(
	{ namespace, name }: Pick<BalancedService, "namespace" | "name">,
	slices: readonly LocalEndpoints[],
): ReadonlySet<string> {
	const own = slices.filter((slice) => slice.namespace === namespace && slice.service === name);
	const ready = own.flatMap((slice) => slice.ready);
	return new Set(ready.length > 0 ? ready : own.flatMap((slice) => slice.serving));
}

/** Every label is there with that value. */
export function hasLabels(wanted: Labels | undefined, labels: Labels): boolean {
	return Object.entries(wanted ?? {}).every(([name, value]) => labels[name] === value);
}

export function serviceKeyOf({ namespace, name }: Pick<BalancedService, "namespace" | "name">): string {
	return `${namespace}/${name}`;
}

/** Canonical, without what is no address. */
function addressesIn(text: string): readonly string[] {
	return [...new Set(text.split(",").flatMap((part) => canonicalAddress(part.trim())?.text ?? []))];
}
