// Services and their endpoints -> ClusterLoadAssignments, one for each cluster that Envoy fills by EDS. Everything is
// remembered by identity: after a change of one service, only that service's assignments are encoded again, and the walk
// over the names and the new map are all that grows with the mesh.

import type { Endpoint, ServiceEndpoints } from "../../model/endpoint.ts";
import { defaultMeshSettings, type MeshSettings } from "../../model/mesh-settings.ts";
import type { EndpointsView, ServiceView } from "../../model/view.ts";
import { compareText } from "../../resources/config-object.ts";
import type { EncodedResource, ResourcePart } from "../../xds/resource.ts";
import { type LocalityPolicy, localityPolicy } from "../cluster/locality-setting.ts";
import { hasLabels, type ProxyRole, type ServiceCluster, serviceClusters } from "../cluster/service-clusters.ts";
import { encodeLoadAssignment } from "./load-assignment.ts";
import { localityGroups, localityText } from "./locality-groups.ts";

export interface EndpointPartContext {
	/** Of the view that the services are from; its locality settings matter. */
	readonly mesh?: MeshSettings;
	/** `gateway` for a GatewayView's services. Default `sidecar`. */
	readonly role?: ProxyRole;
}

/** One assignment to make: everything but the endpoints. */
interface Slot {
	readonly name: string;
	readonly view: ServiceView;
	readonly cluster: ServiceCluster;
	readonly locality?: LocalityPolicy;
}

interface Plan {
	readonly mesh: MeshSettings;
	readonly role: ProxyRole;
	/** Sorted by name. */
	readonly slots: readonly Slot[];
	/** True when the client's place changes the outcome for some service. */
	readonly dependsOnPlace: boolean;
	/** Parts by the client's place, for the newest endpoints asked for. */
	parts: { readonly byService: EndpointsView["byService"]; readonly byPlace: Map<string, ResourcePart> } | undefined;
}

const plans = new WeakMap<readonly ServiceView[], Plan[]>();

/** Equal endpoints for an equal view give the same part object, shared by all clients whose place makes no difference. */
export function endpointPart(
	services: readonly ServiceView[],
	endpoints: EndpointsView,
	context: EndpointPartContext = {},
): ResourcePart {
	const plan = planOf(services, context.mesh ?? defaultMeshSettings, context.role ?? "sidecar");
	if (plan.parts?.byService !== endpoints.byService) {
		plan.parts = { byService: endpoints.byService, byPlace: new Map() };
	}
	const place = plan.dependsOnPlace ? placeText(endpoints) : "";
	let part = plan.parts.byPlace.get(place);
	if (part === undefined) {
		const resources = new Map<string, EncodedResource>();
		for (const slot of plan.slots) resources.set(slot.name, assignment(slot, endpoints));
		part = { resources };
		plan.parts.byPlace.set(place, part);
	}
	return part;
}

function planOf(services: readonly ServiceView[], mesh: MeshSettings, role: ProxyRole): Plan {
	const known = plans.get(services) ?? [];
	let plan = known.find((candidate) => candidate.mesh === mesh && candidate.role === role);
	if (plan === undefined) {
		const slots = services.flatMap((view) => slotsOf(view, mesh, role));
		slots.sort((a, b) => compareText(a.name, b.name));
		const unique = slots.filter((slot, index) => slot.name !== slots[index - 1]?.name);
		const dependsOnPlace = unique.some(({ locality }) => locality !== undefined);
		plan = { mesh, role, slots: unique, dependsOnPlace, parts: undefined };
		plans.set(services, [...known, plan]);
	}
	return plan;
}

interface RememberedSlots {
	readonly mesh: MeshSettings;
	readonly slots: readonly Slot[];
}

const slotsByView: Readonly<Record<ProxyRole, WeakMap<ServiceView, RememberedSlots>>> = {
	sidecar: new WeakMap(),
	gateway: new WeakMap(),
};

/** The same Slot objects for the same view, so that assignments can be remembered by slot. */
function slotsOf(view: ServiceView, mesh: MeshSettings, role: ProxyRole): readonly Slot[] {
	const known = slotsByView[role].get(view);
	if (known?.mesh === mesh) return known.slots;
	const slots: Slot[] = [];
	for (const cluster of serviceClusters(view, role)) {
		if (cluster.discovery !== "eds") continue;
		const locality = localityPolicy(view.service, cluster.policy, mesh.localityLb);
		slots.push({ name: cluster.name, view, cluster, ...(locality && { locality }) });
	}
	slotsByView[role].set(view, { mesh, slots });
	return slots;
}

interface Assignment {
	readonly endpoints: readonly Endpoint[] | undefined;
	readonly byPlace: Map<string, EncodedResource>;
}

const assignments = new WeakMap<Slot, Assignment>();

function assignment(slot: Slot, endpoints: EndpointsView): EncodedResource {
	const ofService: ServiceEndpoints | undefined = endpoints.byService.get(slot.view.service.key);
	const all = ofService?.byPort.get(slot.cluster.port.number);
	let known = assignments.get(slot);
	if (known === undefined || known.endpoints !== all) {
		known = { endpoints: all, byPlace: new Map() };
		assignments.set(slot, known);
	}
	const place = slot.locality ? placeText(endpoints) : "";
	let encoded = known.byPlace.get(place);
	if (encoded === undefined) {
		const chosen = (all ?? [])
			.map((endpoint) => asCalled(slot.cluster, endpoint))
			.filter((endpoint) => isSent(slot.cluster, endpoint));
		encoded = encodeLoadAssignment(slot.name, localityGroups(chosen, slot.locality, endpoints));
		known.byPlace.set(place, encoded);
	}
	return encoded;
}

const outOf = new WeakMap<Endpoint, Endpoint>();

/** Where a rule demands the mesh's mutual TLS, one whose proxy is passed by for a while cannot be called. */
function asCalled({ policy }: ServiceCluster, endpoint: Endpoint): Endpoint {
	if (endpoint.servingStep !== "direct" || policy?.tls?.mode !== "ISTIO_MUTUAL") return endpoint;
	const known = outOf.get(endpoint) ?? { ...endpoint, health: "unhealthy" };
	outOf.set(endpoint, known);
	return known;
}

/** Unhealthy endpoints are sent as such, except where a panic threshold would give them traffic. */
function isSent({ subset, policy }: ServiceCluster, endpoint: Endpoint): boolean {
	if (endpoint.health !== "healthy" && (policy?.outlierDetection?.minHealthPercent ?? 0) > 0) return false;
	return hasLabels(endpoint.labels, subset?.labels);
}

function placeText({ locality, network, clusterId, labels }: EndpointsView): string {
	return JSON.stringify([localityText(locality), network, clusterId, Object.entries(labels ?? {}).sort()]);
}
