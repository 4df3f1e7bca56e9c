// Endpoints of a ServiceEntry: written inside it, selected by its workloadSelector, or the host itself where DNS finds it.

import type { Endpoint } from "../model/endpoint.ts";
import type { MeshService, ServicePort } from "../model/service.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import type { WorkloadEntrySpec } from "../resources/kinds/networking.ts";
import { type EndpointSources, labelsOfWorkload } from "./endpoint-sources.ts";
import { isWildcard } from "./hostname.ts";
import { selects } from "./label-selector.ts";
import {
	addressesOfPod,
	factsOfPod,
	factsOfWorkloadEntry,
	readinessOfPod,
	type Surroundings,
} from "./workload-facts.ts";

export function endpointsOfServiceEntry(
	object: ConfigObject<"ServiceEntry">,
	service: MeshService,
	port: ServicePort,
	sources: EndpointSources,
): readonly Endpoint[] {
	const { name, namespace } = object.metadata;
	const inline = (object.spec.endpoints ?? []).map((entry) => endpointOf(entry, name, namespace, port, sources.where));
	const selector = service.selector;
	const selected = sources.membersOf(service.key).flatMap((member) => {
		// Members are those of all ServiceEntries that share the host; this one takes its own.
		if (selector === undefined || !selects(selector, labelsOfWorkload(member))) return [];
		if (member.kind === "WorkloadEntry") return [endpointOfWorkloadEntry(member, port, sources.where)];
		return endpointsOfSelectedPod(member, port, sources.where);
	});
	// Without an address it is behind a gateway of its network, which is not known here.
	const found = [...inline, ...selected].filter(({ address }) => address !== "");
	const isDns = service.discovery === "dns" || service.discovery === "dnsRoundRobin";
	if (found.length > 0 || !isDns || service.selector !== undefined || isWildcard(service.hostname)) return found;
	return [endpointOf({ address: service.hostname }, name, namespace, port, sources.where)];
}

export function endpointOfWorkloadEntry(
	entry: ConfigObject<"WorkloadEntry">,
	port: ServicePort,
	where: Surroundings,
): Endpoint {
	const labels = { ...entry.metadata.labels, ...entry.spec.labels };
	const endpoint = endpointOf({ ...entry.spec, labels }, entry.metadata.name, entry.metadata.namespace, port, where);
	return entry.metadata.deletedMs === undefined ? endpoint : { ...endpoint, health: "draining" };
}

function endpointOf(
	entry: WorkloadEntrySpec,
	name: string,
	namespace: string,
	port: ServicePort,
	where: Surroundings,
): Endpoint {
	const address = entry.address ?? "";
	const target = typeof port.targetPort === "number" ? port.targetPort : port.number;
	// Whose names users choose: also that of what every object has.
	const portNamed = (known: string): number | undefined =>
		entry.ports && Object.hasOwn(entry.ports, known) ? entry.ports[known] : undefined;
	const byName = typeof port.targetPort === "string" ? portNamed(port.targetPort) : undefined;
	return {
		address,
		port: address.startsWith("unix://") ? 0 : (portNamed(port.name) ?? byName ?? target),
		weight: Math.max(1, entry.weight ?? 1),
		health: "healthy",
		...factsOfWorkloadEntry(entry, name, namespace, where),
	};
}

function endpointsOfSelectedPod(pod: ConfigObject<"Pod">, port: ServicePort, where: Surroundings): readonly Endpoint[] {
	const readiness = readinessOfPod(pod);
	const address = addressesOfPod(pod)[0];
	if (readiness === "gone" || address === undefined) return [];
	const health = readiness === "ready" ? "healthy" : readiness === "terminating" ? "draining" : "unhealthy";
	const target = typeof port.targetPort === "number" ? port.targetPort : port.number;
	return [{ address, port: target, weight: 1, health, ...factsOfPod(pod, undefined, where) }];
}
