// A Kubernetes Service with its EndpointSlices (or Pods) -> Layer4Service. What a Service means follows kube-proxy 1.36:
// pkg/proxy/serviceport.go, endpointslicecache.go.

import type { ConfigObject } from "../../resources/config-object.ts";
import type { KubernetesServicePort, ServiceSpec } from "../../resources/kinds/core.ts";
import type { Layer4Port, Layer4Protocol, Layer4Service } from "../layer4-service.ts";
import { readLayer4Annotations } from "./annotations.ts";
import { canonicalAddress } from "./canonical-address.ts";
import { endpointsOfPods } from "./endpoints-of-pods.ts";
import { endpointsOfSlices, slicesOf } from "./endpoints-of-slices.ts";
import { sourceRangesOf } from "./source-ranges.ts";
import { unallocatedOf } from "./unallocated.ts";

const defaultAffinitySec = 10_800;

/**
 * Undefined for a Service that has no rules here: ExternalName, headless, or another proxy's (`service.kubernetes.io/
 * service-proxy-name`). Slices and pods of other Services may be among those given; they are passed over.
 */
export function layer4ServiceOf(
	service: ConfigObject<"Service">,
	slices: readonly ConfigObject<"EndpointSlice">[],
	pods: readonly ConfigObject<"Pod">[],
): Layer4Service | undefined {
	const { metadata, spec } = service;
	if (spec.type === "ExternalName" || isHeadless(spec)) return undefined;
	if (metadata.labels["service.kubernetes.io/service-proxy-name"] !== undefined) return undefined;
	const own = slicesOf(service, slices);
	const annotations = readLayer4Annotations(metadata.annotations);
	const unallocated = unallocatedOf(service);
	const isLocal = isExternallyAccessible(spec) && spec.externalTrafficPolicy === "Local";
	const healthCheckNodePort = spec.type === "LoadBalancer" && isLocal ? spec.healthCheckNodePort : undefined;
	return {
		namespace: metadata.namespace,
		name: metadata.name,
		clusterAddresses: clusterAddressesOf(spec),
		externalAddresses: canonicalAddresses(spec.externalIPs ?? []),
		loadBalancerAddresses: canonicalAddresses(loadBalancerAddressesOf(spec)),
		ports: (spec.ports ?? []).map((port) => ({
			...portOf(port),
			endpoints: own.length > 0 ? endpointsOfSlices(own, port) : endpointsOfPods(service, pods, port),
		})),
		...(spec.sessionAffinity === "ClientIP" ? { affinity: { timeoutSec: affinitySecOf(spec) } } : {}),
		externalPolicy: isLocal ? "Local" : "Cluster",
		internalPolicy: spec.internalTrafficPolicy ?? "Cluster",
		sourceRanges: sourceRangesOf(spec.loadBalancerSourceRanges ?? []),
		...(healthCheckNodePort ? { healthCheckNodePort } : {}),
		...(spec.trafficDistribution === undefined ? {} : { trafficDistribution: spec.trafficDistribution }),
		...annotations,
		...(unallocated.length > 0 ? { unallocated } : {}),
	};
}

function isHeadless(spec: ServiceSpec): boolean {
	return spec.clusterIP === "None" || spec.clusterIPs?.[0] === "None";
}

/** `externalTrafficPolicy` counts only for these. */
export function isExternallyAccessible(spec: ServiceSpec): boolean {
	if (spec.type === "LoadBalancer" || spec.type === "NodePort") return true;
	return (spec.externalIPs ?? []).length > 0;
}

/** One of each family, in the Service's order. */
function clusterAddressesOf(spec: ServiceSpec): readonly string[] {
	const written = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP ?? ""];
	const ofFamily = new Map<string, string>();
	for (const one of written) {
		const address = canonicalAddress(one);
		if (address !== undefined && !ofFamily.has(address.family)) ofFamily.set(address.family, address.text);
	}
	return [...ofFamily.values()];
}

function loadBalancerAddressesOf(spec: ServiceSpec): readonly string[] {
	const ingress = spec.status?.loadBalancer?.ingress ?? [];
	return ingress.filter(({ ipMode = "VIP" }) => ipMode === "VIP").map(({ ip = "" }) => ip);
}

function canonicalAddresses(texts: readonly string[]): readonly string[] {
	return [...new Set(texts.flatMap((text) => canonicalAddress(text)?.text ?? []))];
}

function portOf(port: KubernetesServicePort): Omit<Layer4Port, "endpoints"> {
	return {
		name: port.name ?? "",
		protocol: protocolOf(port),
		port: port.port,
		...(port.nodePort ? { nodePort: port.nodePort } : {}),
	};
}

function protocolOf(port: KubernetesServicePort): Layer4Protocol {
	switch (port.protocol) {
		case "UDP":
			return "udp";
		case "SCTP":
			return "sctp";
		case "TCP":
		case undefined:
			return "tcp";
		default:
			return port.protocol satisfies never;
	}
}

function affinitySecOf(spec: ServiceSpec): number {
	return spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySec;
}
