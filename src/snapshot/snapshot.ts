// The mesh as it is now, immutable. Changes go in, a new snapshot comes out that shares everything that did not change:
// when only endpoints move, `routing` is the very same object, and the cost is that of the services they belong to.

import type { ServiceKey } from "../model/service.ts";
import { serviceKey } from "../model/service.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import type { Change } from "./change.ts";
import { type Edit, type EndpointIndex, emptyEndpointIndex, updateEndpoints } from "./endpoint-index.ts";
import type { Workload } from "./endpoint-sources.ts";
import { fullHostname } from "./hostname.ts";
import { applyToStore, type ObjectEdit, type ObjectStore, objectsOf } from "./object-store.ts";
import { PersistentMap } from "./persistent-map.ts";
import { emptyPolicyIndex, type PolicyIndex, updatePolicies } from "./policy-index.ts";
import { currentMesh, emptyRouting, type Routing, updateRouting } from "./routing.ts";
import { updateSecuredPorts } from "./secured-ports.ts";
import { updateAccounts } from "./service-accounts.ts";
import { buildRegistry, type ServiceRegistry } from "./service-registry.ts";
import { type ServiceShare, sharesOf } from "./service-share.ts";
import { type LostWorkloads, nothingLost, servingStepsOf, type UnproxiedWorkload } from "./serving-steps.ts";
import { ViewMemo } from "./view-memo.ts";
import type { Surroundings } from "./workload-facts.ts";

export interface SnapshotOptions extends Surroundings {
	/** DNS domain of Kubernetes Services. */
	readonly domainSuffix: string;
}

export const defaultSnapshotOptions: SnapshotOptions = {
	domainSuffix: "cluster.local",
	clusterId: "Kubernetes",
	network: "",
};

export interface Snapshot {
	readonly options: SnapshotOptions;
	readonly objects: ObjectStore;
	readonly shares: PersistentMap<readonly ServiceShare[]>;
	readonly routing: Routing;
	readonly endpoints: EndpointIndex;
	readonly policies: PolicyIndex;
	/** As nodes told; what follows for endpoints is in `endpoints.steps`. */
	readonly unproxied: readonly UnproxiedWorkload[];
	/** The same for workloads whose machine is lost. */
	readonly lost: LostWorkloads;
	/** Views given out before, so that equal ones are the same object; not part of the value. */
	readonly memo: ViewMemo;
}

export interface Changed {
	readonly routing: boolean;
	readonly endpoints: ReadonlySet<ServiceKey>;
	readonly secrets: boolean;
	readonly policies: boolean;
}

export interface Applied {
	readonly snapshot: Snapshot;
	readonly changed: Changed;
}

export function emptySnapshot(options: Partial<SnapshotOptions> = {}): Snapshot {
	const all = { ...defaultSnapshotOptions, ...options };
	const routing = emptyRouting(all.domainSuffix);
	return {
		options: all,
		objects: {},
		shares: PersistentMap.empty(),
		routing,
		policies: emptyPolicyIndex(routing.mesh.rootNamespace),
		endpoints: emptyEndpointIndex,
		unproxied: [],
		lost: nothingLost,
		memo: new ViewMemo(),
	};
}

/** An applied object with equal content changes nothing; when nothing changes the same snapshot comes back. */
export function applyChanges(snapshot: Snapshot, changes: readonly Change[]): Applied {
	const { store: objects, edits } = applyToStore(snapshot.objects, changes);
	if (edits.length === 0)
		return { snapshot, changed: { routing: false, endpoints: new Set(), secrets: false, policies: false } };
	const touched = new Set<string>(edits.map((edit) => (edit.after ?? edit.before)?.kind ?? ""));
	const mesh = touched.has("MeshConfig") ? currentMesh(objects, snapshot.routing.mesh) : snapshot.routing.mesh;
	const policies = updatePolicies(snapshot.policies, edits, mesh.rootNamespace);
	const { shares, registry } = updateServices(snapshot, objects, edits, mesh);
	return rebuilt({ ...snapshot, objects, policies, shares }, snapshot, { edits, touched, mesh, registry });
}

/** `unproxied` is all that nodes said last. What did not change stays the same object, as with any change. */
export function applyServing(snapshot: Snapshot, unproxied: readonly UnproxiedWorkload[]): Applied {
	const { mesh, registry } = snapshot.routing;
	return rebuilt({ ...snapshot, unproxied }, snapshot, { edits: [], touched: new Set(), mesh, registry });
}

/** `lost` is all that is lost now; endpoints alone change. */
export function applyLost(snapshot: Snapshot, lost: LostWorkloads): Applied {
	const { mesh, registry } = snapshot.routing;
	return rebuilt({ ...snapshot, lost }, snapshot, { edits: [], touched: new Set(), mesh, registry });
}

/** What follows from the resources and from what nodes said, made anew where it can be another. */
function rebuilt(
	next: Snapshot,
	previous: Snapshot,
	parts: {
		readonly edits: readonly ObjectEdit[];
		readonly touched: ReadonlySet<string>;
		readonly mesh: Routing["mesh"];
		readonly registry: ServiceRegistry;
	},
): Applied {
	const { objects, options, policies, unproxied } = next;
	const { edits, touched, mesh, registry } = parts;
	const before = previous.routing.registry;
	const { index: endpoints, changed: changedEndpoints } = updateEndpoints(previous.endpoints, {
		workloads: edits.flatMap(workloadEdit),
		slices: edits.flatMap(sliceEdit),
		registry: { before, after: registry },
		allWorkloads: () => [...objectsOf(objects, "Pod").values(), ...objectsOf(objects, "WorkloadEntry").values()],
		policies: { before: previous.policies, after: policies },
		steps: servingStepsOf(next, unproxied, previous.endpoints.steps),
		where: options,
		serviceOfSlice: (slice) => serviceOfSlice(slice, mesh.domainSuffix),
	});
	const dnsEndpoints = currentDnsEndpoints(previous.routing, registry, endpoints, changedEndpoints);
	const moved = { registry: { before, after: registry }, byService: endpoints.byService, changed: changedEndpoints };
	const routing = updateRouting(previous.routing, objects, touched, {
		mesh,
		registry,
		dnsEndpoints,
		accounts: updateAccounts(previous.routing.accounts, moved),
		securedPorts: updateSecuredPorts(previous.routing.securedPorts, moved),
	});
	return {
		snapshot: { ...next, routing, endpoints },
		changed: {
			routing: routing !== previous.routing,
			endpoints: changedEndpoints,
			secrets: touched.has("Secret"),
			policies: policies !== previous.policies,
		},
	};
}

function updateServices(
	snapshot: Snapshot,
	objects: ObjectStore,
	edits: readonly ObjectEdit[],
	mesh: Routing["mesh"],
): { readonly shares: Snapshot["shares"]; readonly registry: ServiceRegistry } {
	const exportMoved = mesh.serviceExportTo !== snapshot.routing.mesh.serviceExportTo;
	const changes = new Map<string, readonly ServiceShare[] | undefined>();
	if (exportMoved) {
		for (const [key, object] of objectsOf(objects, "Service")) changes.set(key, sharesOf(object, mesh));
		for (const [key, object] of objectsOf(objects, "ServiceEntry")) changes.set(key, sharesOf(object, mesh));
	}
	for (const { key, before, after } of edits) {
		const object = after ?? before;
		if (object?.kind !== "Service" && object?.kind !== "ServiceEntry") continue;
		changes.set(key, after === undefined ? undefined : sharesOf(object, mesh));
	}
	if (changes.size === 0) return { shares: snapshot.shares, registry: snapshot.routing.registry };
	const shares = snapshot.shares.with(changes);
	return { shares, registry: buildRegistry(shares, snapshot.routing.registry) };
}

function workloadEdit({ before, after }: ObjectEdit): readonly Edit<Workload>[] {
	const isWorkload = (object: ObjectEdit["after"]): object is Workload =>
		object?.kind === "Pod" || object?.kind === "WorkloadEntry";
	if (!isWorkload(before) && !isWorkload(after)) return [];
	return [{ before: isWorkload(before) ? before : undefined, after: isWorkload(after) ? after : undefined }];
}

function sliceEdit({ before, after }: ObjectEdit): readonly Edit<ConfigObject<"EndpointSlice">>[] {
	const isSlice = (object: ObjectEdit["after"]): object is ConfigObject<"EndpointSlice"> =>
		object?.kind === "EndpointSlice";
	if (!isSlice(before) && !isSlice(after)) return [];
	return [{ before: isSlice(before) ? before : undefined, after: isSlice(after) ? after : undefined }];
}

function serviceOfSlice(slice: ConfigObject<"EndpointSlice">, domainSuffix: string) {
	const { labels, namespace } = slice.metadata;
	const service = labels["kubernetes.io/service-name"] ?? "";
	return {
		name: `${namespace}/${service}`,
		key: serviceKey(fullHostname(service, namespace, domainSuffix), namespace),
	};
}

function currentDnsEndpoints(
	previous: Routing,
	registry: ServiceRegistry,
	endpoints: EndpointIndex,
	changed: ReadonlySet<ServiceKey>,
): Routing["dnsEndpoints"] {
	const byDns = (key: ServiceKey) => {
		const discovery = registry.byKey.get(key)?.service.discovery;
		return discovery === "dns" || discovery === "dnsRoundRobin";
	};
	const moved = [...changed].filter((key) => byDns(key) || previous.dnsEndpoints.has(key));
	if (moved.length === 0 && registry === previous.registry) return previous.dnsEndpoints;
	const next = new Map(previous.dnsEndpoints);
	for (const key of registry === previous.registry ? moved : registry.byKey.keys()) {
		const found = byDns(key) ? endpoints.byService.get(key) : undefined;
		if (found === undefined) next.delete(key);
		else next.set(key, found);
	}
	for (const key of next.keys()) if (!registry.byKey.has(key)) next.delete(key);
	const same =
		next.size === previous.dnsEndpoints.size && [...next].every(([key, one]) => previous.dnsEndpoints.get(key) === one);
	return same ? previous.dnsEndpoints : next;
}
