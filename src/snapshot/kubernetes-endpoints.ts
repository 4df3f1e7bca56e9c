// Endpoints of a Kubernetes Service: from its EndpointSlices; from its Pods where no slice exists at all (plain files);
// and from WorkloadEntries that its selector takes in.

import type { Endpoint } from "../model/endpoint.ts";
import type { MeshService, ServicePort } from "../model/service.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import type { SliceEndpoint } from "../resources/kinds/core.ts";
import type { EndpointSources } from "./endpoint-sources.ts";
import { endpointOfWorkloadEntry } from "./service-entry-endpoints.ts";
import {
	addressesOfPod,
	containerPortNamed,
	factsOfPod,
	isServedWithoutProxy,
	noLocality,
	readinessOfPod,
	type WorkloadFacts,
} from "./workload-facts.ts";

type Slice = ConfigObject<"EndpointSlice">;
type Pod = ConfigObject<"Pod">;

export function endpointsOfKubernetesService(
	object: ConfigObject<"Service">,
	service: MeshService,
	port: ServicePort,
	sources: EndpointSources,
): readonly Endpoint[] {
	if (object.spec.type === "ExternalName")
		return [externalName(object.spec.externalName ?? "", port, service, sources)];
	const slices = sources.slicesOf(service.namespace, service.name);
	const members = sources.membersOf(service.key);
	const found: Endpoint[] = [];
	for (const member of members) {
		if (member.kind === "WorkloadEntry") found.push(endpointOfWorkloadEntry(member, port, sources.where));
		else if (slices.length === 0) found.push(...endpointsOfPod(member, object, port, sources));
	}
	for (const slice of slicesOfOneFamily(slices)) found.push(...endpointsOfSlice(slice, service, port, sources));
	return found;
}

/** A dual-stack Service has slices of both families for the same pods: IPv4 where there is any. */
function slicesOfOneFamily(slices: readonly Slice[]): readonly Slice[] {
	const v4 = slices.filter((slice) => slice.spec.addressType === "IPv4");
	return v4.length > 0 ? v4 : slices.filter((slice) => slice.spec.addressType === "IPv6");
}

function* endpointsOfSlice(
	slice: Slice,
	service: MeshService,
	port: ServicePort,
	sources: EndpointSources,
): Iterable<Endpoint> {
	const target = slice.spec.ports.find((one) => (one.name ?? "") === port.name && (one.protocol ?? "TCP") === "TCP");
	if (target?.port === undefined) return;
	for (const endpoint of slice.spec.endpoints) {
		const address = endpoint.addresses[0];
		if (address === undefined) continue;
		const pod = podBehind(endpoint, address, slice.metadata.namespace, sources);
		const hostname = endpoint.hostname;
		yield {
			address,
			port: target.port,
			weight: 1,
			health: healthOf(endpoint, pod),
			...(pod === undefined
				? unknownWorkload(endpoint, service, sources)
				: factsOfPod(pod, endpoint.zone, sources.where)),
			...(hostname === undefined ? {} : { hostname }),
		};
	}
}

function podBehind(
	endpoint: SliceEndpoint,
	address: string,
	namespace: string,
	sources: EndpointSources,
): Pod | undefined {
	const target = endpoint.targetRef;
	const atAddress = sources.podsAt(address);
	if (target?.kind === "Pod" && target.name !== undefined) {
		const named = atAddress.find(
			({ metadata }) => metadata.name === target.name && metadata.namespace === (target.namespace ?? namespace),
		);
		if (named !== undefined) return named;
	}
	return atAddress.find(({ metadata }) => metadata.namespace === namespace);
}

function unknownWorkload(endpoint: SliceEndpoint, service: MeshService, sources: EndpointSources): WorkloadFacts {
	return {
		labels: {},
		locality: { ...noLocality, zone: endpoint.zone ?? "" },
		network: sources.where.network,
		clusterId: sources.where.clusterId,
		namespace: service.namespace,
		workload: "",
		serviceAccount: "",
		tlsMode: "disabled",
	};
}

/** Conditions that are absent mean ready. A pod whose deletion began drains at once, before the slice says so. */
function healthOf(endpoint: SliceEndpoint, pod: Pod | undefined): Endpoint["health"] {
	const { ready = true, serving = ready, terminating = false } = endpoint.conditions ?? {};
	const leaving = terminating || pod?.metadata.deletedMs !== undefined;
	if (leaving) return serving || ready ? "draining" : "unhealthy";
	return ready || (pod !== undefined && isServedWithoutProxy(pod)) ? "healthy" : "unhealthy";
}

function* endpointsOfPod(
	pod: Pod,
	object: ConfigObject<"Service">,
	port: ServicePort,
	sources: EndpointSources,
): Iterable<Endpoint> {
	const readiness = readinessOfPod(pod);
	const address = addressesOfPod(pod)[0];
	const target = targetPortOn(pod, port);
	if (readiness === "gone" || address === undefined || target === undefined) return;
	const ready = readiness === "ready" || (readiness === "notReady" && object.spec.publishNotReadyAddresses === true);
	const hostname = pod.spec.subdomain === object.metadata.name ? pod.spec.hostname : undefined;
	yield {
		address,
		port: target,
		weight: 1,
		health: readiness === "terminating" ? "draining" : ready ? "healthy" : "unhealthy",
		...factsOfPod(pod, undefined, sources.where),
		...(hostname === undefined ? {} : { hostname }),
	};
}

/** The port of a pod that a service port leads to; undefined when it is named and no container has that name. */
export function targetPortOn(pod: Pod | undefined, port: ServicePort): number | undefined {
	if (typeof port.targetPort !== "string") return port.targetPort ?? port.number;
	if (/^\d+$/.test(port.targetPort)) return Number(port.targetPort);
	return pod === undefined ? undefined : containerPortNamed(pod, port.targetPort);
}

function externalName(name: string, port: ServicePort, service: MeshService, sources: EndpointSources): Endpoint {
	return {
		address: name,
		port: port.number,
		weight: 1,
		health: "healthy",
		labels: {},
		locality: noLocality,
		network: sources.where.network,
		clusterId: sources.where.clusterId,
		namespace: service.namespace,
		workload: "",
		serviceAccount: "",
		tlsMode: "disabled",
	};
}
