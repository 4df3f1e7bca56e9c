// One service's endpoints, port by port, sorted and without duplicates; and the cut of them that a subset is.

import type { Endpoint, ServiceEndpoints } from "../model/endpoint.ts";
import type { ServicePort } from "../model/service.ts";
import { compareText } from "../resources/config-object.ts";
import type { Subset } from "../resources/kinds/networking.ts";
import type { EndpointSources } from "./endpoint-sources.ts";
import { endpointsOfKubernetesService } from "./kubernetes-endpoints.ts";
import { selects } from "./label-selector.ts";
import { keepIdentity, sameItems } from "./same-value.ts";
import { endpointsOfServiceEntry } from "./service-entry-endpoints.ts";
import type { RegisteredService } from "./service-registry.ts";
import type { ServiceShare } from "./service-share.ts";
import { asServed } from "./serving-steps.ts";

/** `previous` itself when nothing changed; endpoints that did not change keep their identity. */
export function buildServiceEndpoints(
	registered: RegisteredService,
	sources: EndpointSources,
	previous: ServiceEndpoints | undefined,
): ServiceEndpoints {
	const byPort = new Map<number, readonly Endpoint[]>();
	for (const port of registered.service.ports) {
		const found = registered.shares
			.flatMap((share) => endpointsOfShare(share, port, sources))
			.map((endpoint) => asServed(asPoliciesAllow(endpoint, sources), sources.steps));
		byPort.set(port.number, keepEndpoints(previous?.byPort.get(port.number), sortedOnce(found)));
	}
	if (previous !== undefined && samePorts(previous.byPort, byPort)) return previous;
	return { service: registered.service.key, byPort };
}

/** Endpoints that carry the subset's labels; all of them for a subset without labels, or without a subset. */
export function endpointsOfSubset(endpoints: readonly Endpoint[], subset: Subset | undefined): readonly Endpoint[] {
	const labels = subset?.labels;
	if (labels === undefined || Object.keys(labels).length === 0) return endpoints;
	return endpoints.filter((endpoint) => selects(labels, endpoint.labels));
}

function endpointsOfShare(share: ServiceShare, port: ServicePort, sources: EndpointSources): readonly Endpoint[] {
	const { object, service } = share;
	// A joined ServiceEntry may call or map the port in its own way.
	const own = service.ports.find((one) => one.number === port.number);
	if (own === undefined) return [];
	return object.kind === "Service"
		? endpointsOfKubernetesService(object, service, own, sources)
		: endpointsOfServiceEntry(object, service, own, sources);
}

/** A workload that does not take mutual TLS on the port is called without it. */
function asPoliciesAllow(endpoint: Endpoint, { disablesMtls }: EndpointSources): Endpoint {
	if (disablesMtls === undefined || endpoint.tlsMode !== "istio") return endpoint;
	const { namespace, labels, port } = endpoint;
	return disablesMtls(namespace, labels, port) ? { ...endpoint, tlsMode: "disabled" } : endpoint;
}

/** By address, then port. During a rollout one address may be in two slices: the healthier mention counts. */
function sortedOnce(endpoints: readonly Endpoint[]): readonly Endpoint[] {
	const rank = { healthy: 0, draining: 1, unhealthy: 2 } as const;
	const sorted = [...endpoints].sort(
		(a, b) => compareText(a.address, b.address) || a.port - b.port || rank[a.health] - rank[b.health],
	);
	return sorted.filter((one, index) => {
		const before = sorted[index - 1];
		return before === undefined || before.address !== one.address || before.port !== one.port;
	});
}

function keepEndpoints(previous: readonly Endpoint[] | undefined, next: readonly Endpoint[]): readonly Endpoint[] {
	if (previous === undefined || previous.length === 0) return next;
	const known = new Map(previous.map((endpoint) => [`${endpoint.address}|${endpoint.port}`, endpoint]));
	const kept = next.map((endpoint) => keepIdentity(known.get(`${endpoint.address}|${endpoint.port}`), endpoint));
	return sameItems(previous, kept) ? previous : kept;
}

function samePorts(a: ReadonlyMap<number, readonly Endpoint[]>, b: ReadonlyMap<number, readonly Endpoint[]>): boolean {
	if (a.size !== b.size) return false;
	for (const [port, endpoints] of a) if (b.get(port) !== endpoints) return false;
	return true;
}
