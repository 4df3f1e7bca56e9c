// Everything but endpoints and secrets, indexed: services, rules, scopes, gateways. While no routing resource changes it stays
// the very same object, and so does every part whose resources did not change.

import type { ServiceEndpoints } from "../model/endpoint.ts";
import type { MeshSettings } from "../model/mesh-settings.ts";
import type { AuthorizationProvider } from "../model/security.ts";
import type { ServiceKey } from "../model/service.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import { byAge } from "../resources/config-object.ts";
import {
	type DestinationRuleIndex,
	emptyDestinationRuleIndex,
	indexDestinationRules,
} from "./destination-rule-index.ts";
import { meshConfigInForce, meshSettingsOf } from "./mesh-config.ts";
import { type ObjectStore, objectsOf } from "./object-store.ts";
import { withReachableAuthorizers } from "./reachable-authorizers.ts";
import { sourceSelectors } from "./routing-rule.ts";
import { keepIdentity, sameItems } from "./same-value.ts";
import { noSecuredPorts, type SecuredPorts } from "./secured-ports.ts";
import { noAccounts, type ServiceAccounts } from "./service-accounts.ts";
import { emptyRegistry, type ServiceRegistry } from "./service-registry.ts";
import { emptyVirtualServiceIndex, indexVirtualServices, type VirtualServiceIndex } from "./virtual-service-index.ts";

export interface Routing {
	/** All that service views are made of; the same object while none of it changed, whatever other rules do. */
	readonly serviceParts: ServiceParts;
	readonly mesh: MeshSettings;
	/** `mesh`, with only the external authorisers that a service stands for: what guards of workloads may ask. */
	readonly guardMesh: MeshSettings;
	readonly registry: ServiceRegistry;
	readonly virtualServices: VirtualServiceIndex;
	readonly destinationRules: DestinationRuleIndex;
	/** By namespace, oldest first. */
	readonly sidecars: ReadonlyMap<string, readonly ConfigObject<"Sidecar">[]>;
	/** Oldest first. */
	readonly gateways: readonly ConfigObject<"Gateway">[];
	/** Namespace -> the value of its annotation `keepmesh.io/egress`. */
	readonly namespaceEgress: ReadonlyMap<string, string>;
	/** Endpoints of services that Envoy resolves by DNS: they are part of the clusters. */
	readonly dnsEndpoints: ReadonlyMap<ServiceKey, ServiceEndpoints>;
	/** Who may answer for each service; the same object while no service has other accounts. */
	readonly accounts: ServiceAccounts;
	readonly securedPorts: SecuredPorts;
	/** Their services are in every view. */
	readonly providers: readonly AuthorizationProvider[];
	/** Labels that VirtualServices ask of their clients: only these can tell two clients of a namespace apart. */
	readonly clientSelectors: readonly Readonly<Record<string, string>>[];
}

export type ServiceParts = Pick<
	Routing,
	"registry" | "destinationRules" | "dnsEndpoints" | "accounts" | "securedPorts" | "providers"
>;

/** Annotation of a Namespace or Pod: hosts (`namespace/host`, separated by commas) that it calls, for automatic scopes. */
export const egressAnnotation = "keepmesh.io/egress";

export function emptyRouting(domainSuffix: string): Routing {
	const mesh = meshSettingsOf(undefined, domainSuffix);
	const serviceParts: ServiceParts = {
		registry: emptyRegistry,
		destinationRules: emptyDestinationRuleIndex,
		dnsEndpoints: new Map(),
		accounts: noAccounts,
		securedPorts: noSecuredPorts,
		providers: mesh.authorizationProviders,
	};
	return {
		...serviceParts,
		serviceParts,
		mesh,
		guardMesh: mesh,
		virtualServices: emptyVirtualServiceIndex,
		sidecars: new Map(),
		gateways: [],
		namespaceEgress: new Map(),
		clientSelectors: [],
	};
}

/** The mesh's settings after a change; the same object when they say the same. */
export function currentMesh(objects: ObjectStore, previous: MeshSettings): MeshSettings {
	const config = meshConfigInForce(objectsOf(objects, "MeshConfig").values());
	const next = meshSettingsOf(config, previous.domainSuffix);
	const authorizationProviders = keepIdentity(previous.authorizationProviders, next.authorizationProviders);
	return keepIdentity(previous, { ...next, authorizationProviders });
}

/** Rebuilds the parts of which a resource was touched. `previous` itself when nothing is different. */
export function updateRouting(
	previous: Routing,
	objects: ObjectStore,
	touched: ReadonlySet<string>,
	next: Pick<Routing, "mesh" | "registry" | "dnsEndpoints" | "accounts" | "securedPorts">,
): Routing {
	const meshChanged = next.mesh !== previous.mesh;
	const virtualServices =
		meshChanged || touched.has("VirtualService")
			? indexVirtualServices(objectsOf(objects, "VirtualService").values(), next.mesh, previous.virtualServices)
			: previous.virtualServices;
	const destinationRules =
		meshChanged || touched.has("DestinationRule")
			? indexDestinationRules(objectsOf(objects, "DestinationRule").values(), next.mesh, previous.destinationRules)
			: previous.destinationRules;
	const sidecars = touched.has("Sidecar") ? byNamespace(objectsOf(objects, "Sidecar").values()) : previous.sidecars;
	const gateways = touched.has("Gateway") ? [...objectsOf(objects, "Gateway").values()].sort(byAge) : previous.gateways;
	const namespaceEgress = touched.has("Namespace")
		? keepIdentity(previous.namespaceEgress, egressOf(objectsOf(objects, "Namespace").values()))
		: previous.namespaceEgress;
	const clientSelectors =
		virtualServices === previous.virtualServices
			? previous.clientSelectors
			: keepIdentity(previous.clientSelectors, clientSelectorsOf(virtualServices));
	const providers = next.mesh.authorizationProviders;
	const routing: Routing = {
		...next,
		guardMesh: withReachableAuthorizers(next.mesh, next.registry, previous.guardMesh),
		serviceParts: currentServiceParts(previous, { ...next, destinationRules, providers }),
		providers,
		virtualServices,
		destinationRules,
		sidecars,
		gateways,
		namespaceEgress,
		clientSelectors,
	};
	return sameItems(partsOf(previous), partsOf(routing)) ? previous : routing;
}

function currentServiceParts(previous: Routing, next: ServiceParts): ServiceParts {
	const { registry, destinationRules, dnsEndpoints, accounts, securedPorts, providers } = next;
	const same =
		registry === previous.registry &&
		destinationRules === previous.destinationRules &&
		dnsEndpoints === previous.dnsEndpoints &&
		accounts === previous.accounts &&
		securedPorts === previous.securedPorts &&
		providers === previous.providers;
	return same ? previous.serviceParts : { registry, destinationRules, dnsEndpoints, accounts, securedPorts, providers };
}

function partsOf(routing: Routing): readonly unknown[] {
	return [
		routing.mesh,
		routing.registry,
		routing.virtualServices,
		routing.destinationRules,
		routing.sidecars,
		routing.gateways,
		routing.namespaceEgress,
		routing.dnsEndpoints,
		routing.accounts,
		routing.securedPorts,
		routing.clientSelectors,
	];
}

function byNamespace(sidecars: Iterable<ConfigObject<"Sidecar">>): Routing["sidecars"] {
	return Map.groupBy([...sidecars].sort(byAge), (sidecar) => sidecar.metadata.namespace);
}

function egressOf(namespaces: Iterable<ConfigObject<"Namespace">>): ReadonlyMap<string, string> {
	const found = new Map<string, string>();
	for (const { metadata } of namespaces) {
		const value = metadata.annotations[egressAnnotation];
		if (value !== undefined) found.set(metadata.name, value);
	}
	return found;
}

function clientSelectorsOf(index: VirtualServiceIndex): Routing["clientSelectors"] {
	const distinct = new Map(
		index.prepared.flatMap(sourceSelectors).map((labels) => [JSON.stringify(Object.entries(labels).sort()), labels]),
	);
	return [...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, labels]) => labels);
}
