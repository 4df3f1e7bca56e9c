// All endpoints, kept up to date at the cost of the services that a change touches: which workloads each selector takes in,
// which pods have which address, which services have an endpoint at an address.

import type { ServiceEndpoints } from "../model/endpoint.ts";
import type { ServiceKey } from "../model/service.ts";
import type { ConfigObject, ObjectKey } from "../resources/config-object.ts";
import { compareText, keyOf } from "../resources/config-object.ts";
import { type EndpointSources, labelsOfWorkload, type Workload } from "./endpoint-sources.ts";
import { selectedBy } from "./label-selector.ts";
import { type MtlsOff, mtlsOff, servicesWithOtherMtls } from "./mtls-off.ts";
import { changedKeys, PersistentMap } from "./persistent-map.ts";
import type { PolicyIndex } from "./policy-index.ts";
import { sameValue } from "./same-value.ts";
import { buildServiceEndpoints } from "./service-endpoints.ts";
import type { RegisteredService, ServiceRegistry } from "./service-registry.ts";
import { addressOfKey, noServingSteps, type ServingSteps } from "./serving-steps.ts";
import { addressesOfPod, type Surroundings } from "./workload-facts.ts";

export interface EndpointIndex {
	readonly byService: PersistentMap<ServiceEndpoints>;
	/** Services with an endpoint at an address, for finding the services of a proxy. */
	readonly servicesAt: PersistentMap<readonly ServiceKey[]>;
	readonly podsAt: PersistentMap<readonly ConfigObject<"Pod">[]>;
	/** By `namespace/service`. */
	readonly slicesOf: PersistentMap<readonly ConfigObject<"EndpointSlice">[]>;
	readonly members: PersistentMap<readonly Workload[]>;
	readonly steps: ServingSteps;
}

export const emptyEndpointIndex: EndpointIndex = {
	byService: PersistentMap.empty(),
	servicesAt: PersistentMap.empty(),
	podsAt: PersistentMap.empty(),
	slicesOf: PersistentMap.empty(),
	members: PersistentMap.empty(),
	steps: noServingSteps,
};

/** How one Pod, WorkloadEntry or EndpointSlice changed: what it was and what it is. */
export interface Edit<T> {
	readonly before: T | undefined;
	readonly after: T | undefined;
}

export interface EndpointChanges {
	readonly workloads: readonly Edit<Workload>[];
	readonly slices: readonly Edit<ConfigObject<"EndpointSlice">>[];
	readonly registry: { readonly before: ServiceRegistry; readonly after: ServiceRegistry };
	readonly policies: { readonly before: PolicyIndex; readonly after: PolicyIndex };
	/** Every workload as it is after the change; looked through only when selectors are new. */
	readonly allWorkloads: () => Iterable<Workload>;
	/** As they are after the change. */
	readonly steps: ServingSteps;
	readonly where: Surroundings;
	readonly serviceOfSlice: (slice: ConfigObject<"EndpointSlice">) => {
		readonly name: string;
		readonly key: ServiceKey;
	};
}

export function updateEndpoints(
	index: EndpointIndex,
	changes: EndpointChanges,
): { readonly index: EndpointIndex; readonly changed: ReadonlySet<ServiceKey> } {
	const { before, after } = changes.registry;
	const affected = new Set<ServiceKey>();
	const reselect = new Set<ServiceKey>();
	if (before !== after) compareRegistries(before, after, affected, reselect);
	const podsAt = index.podsAt.with(podEdits(index, changes.workloads));
	const slicesOf = index.slicesOf.with(sliceEdits(index, changes, affected));
	const members = updateMembers(index.members, changes, affected, reselect);
	for (const edit of changes.workloads)
		for (const pod of [edit.before, edit.after])
			if (pod?.kind === "Pod")
				for (const address of addressesOfPod(pod))
					for (const key of index.servicesAt.get(address) ?? []) affected.add(key);
	for (const key of changedKeys(index.steps, changes.steps))
		for (const service of index.servicesAt.get(addressOfKey(key)) ?? []) affected.add(service);
	const off: MtlsOff | undefined = mtlsOff(changes.policies.after);
	for (const key of servicesWithOtherMtls(index.byService, changes.policies.before, changes.policies.after, off))
		affected.add(key);
	const sources: EndpointSources = {
		...(off === undefined ? {} : { disablesMtls: off }),
		where: changes.where,
		slicesOf: (namespace, service) => slicesOf.get(`${namespace}/${service}`) ?? [],
		membersOf: (key) => members.get(key) ?? [],
		podsAt: (address) => podsAt.get(address) ?? [],
		steps: changes.steps,
	};
	const edits = new Map<ServiceKey, ServiceEndpoints | undefined>();
	for (const key of affected) {
		const registered = after.byKey.get(key);
		const previous = index.byService.get(key);
		const next = registered === undefined ? undefined : buildServiceEndpoints(registered, sources, previous);
		if (next !== previous) edits.set(key, next);
	}
	const byService = index.byService.with(edits);
	const servicesAt = index.servicesAt.with(addressEdits(index, edits));
	const { steps } = changes;
	return { index: { byService, servicesAt, podsAt, slicesOf, members, steps }, changed: new Set(edits.keys()) };
}

function compareRegistries(
	before: ServiceRegistry,
	after: ServiceRegistry,
	affected: Set<ServiceKey>,
	reselect: Set<ServiceKey>,
): void {
	for (const [key, registered] of after.byKey) {
		const old = before.byKey.get(key);
		if (old === registered) continue;
		affected.add(key);
		if (!sameValue(selectorsOf(old), selectorsOf(registered))) reselect.add(key);
	}
	for (const key of before.byKey.keys()) {
		if (after.byKey.has(key)) continue;
		affected.add(key);
		reselect.add(key);
	}
}

function selectorsOf(registered: RegisteredService | undefined): unknown {
	return registered?.shares.map((share) => share.service.selector ?? null) ?? [];
}

function* podEdits(
	index: EndpointIndex,
	edits: readonly Edit<Workload>[],
): Iterable<readonly [string, readonly ConfigObject<"Pod">[] | undefined]> {
	const lists = new Map<string, readonly ConfigObject<"Pod">[]>();
	const listAt = (address: string) => lists.get(address) ?? index.podsAt.get(address) ?? [];
	for (const { before, after } of edits) {
		if (before?.kind === "Pod")
			for (const address of addressesOfPod(before))
				lists.set(
					address,
					listAt(address).filter((pod) => pod !== before),
				);
		if (after?.kind === "Pod")
			for (const address of addressesOfPod(after)) lists.set(address, sortedByKey([...listAt(address), after]));
	}
	for (const [address, list] of lists) yield [address, list.length === 0 ? undefined : list];
}

function* sliceEdits(
	index: EndpointIndex,
	changes: EndpointChanges,
	affected: Set<ServiceKey>,
): Iterable<readonly [string, readonly ConfigObject<"EndpointSlice">[] | undefined]> {
	const lists = new Map<string, readonly ConfigObject<"EndpointSlice">[]>();
	const listOf = (name: string) => lists.get(name) ?? index.slicesOf.get(name) ?? [];
	for (const { before, after } of changes.slices) {
		if (before !== undefined) {
			const { name, key } = changes.serviceOfSlice(before);
			affected.add(key);
			lists.set(
				name,
				listOf(name).filter((slice) => slice !== before),
			);
		}
		if (after !== undefined) {
			const { name, key } = changes.serviceOfSlice(after);
			affected.add(key);
			lists.set(name, sortedByKey([...listOf(name), after]));
		}
	}
	for (const [name, list] of lists) yield [name, list.length === 0 ? undefined : list];
}

function updateMembers(
	members: PersistentMap<readonly Workload[]>,
	changes: EndpointChanges,
	affected: Set<ServiceKey>,
	reselect: ReadonlySet<ServiceKey>,
): PersistentMap<readonly Workload[]> {
	const selectors = changes.registry.after.selectors;
	const lists = new Map<ServiceKey, Workload[]>();
	for (const key of reselect) lists.set(key, []);
	if (reselect.size > 0) {
		for (const workload of changes.allWorkloads())
			for (const key of new Set(selectedBy(selectors, workload.metadata.namespace, labelsOfWorkload(workload))))
				if (reselect.has(key)) lists.get(key)?.push(workload);
	}
	const listOf = (key: ServiceKey): Workload[] => {
		const list = lists.get(key) ?? [...(members.get(key) ?? [])];
		lists.set(key, list);
		return list;
	};
	for (const { before, after } of changes.workloads) {
		const left = before === undefined ? [] : selectedBy(selectors, before.metadata.namespace, labelsOfWorkload(before));
		const joined = after === undefined ? [] : selectedBy(selectors, after.metadata.namespace, labelsOfWorkload(after));
		for (const key of new Set([...left, ...joined])) {
			affected.add(key);
			if (reselect.has(key)) continue;
			const list = listOf(key);
			const at = before === undefined ? -1 : list.indexOf(before);
			if (at >= 0) list.splice(at, 1);
			if (after !== undefined && joined.includes(key)) list.push(after);
		}
	}
	for (const list of lists.values()) list.sort(byKey);
	const edits = [...lists].map(([key, list]) => [key, list.length === 0 ? undefined : list] as const);
	return members.with(edits);
}

function* addressEdits(
	index: EndpointIndex,
	edits: ReadonlyMap<ServiceKey, ServiceEndpoints | undefined>,
): Iterable<readonly [string, readonly ServiceKey[] | undefined]> {
	const lists = new Map<string, Set<ServiceKey>>();
	const listAt = (address: string): Set<ServiceKey> => {
		const list = lists.get(address) ?? new Set(index.servicesAt.get(address) ?? []);
		lists.set(address, list);
		return list;
	};
	for (const [key, next] of edits) {
		const before = addressesOf(index.byService.get(key));
		const after = addressesOf(next);
		for (const address of before) if (!after.has(address)) listAt(address).delete(key);
		for (const address of after) if (!before.has(address)) listAt(address).add(key);
	}
	for (const [address, keys] of lists) yield [address, keys.size === 0 ? undefined : [...keys].sort()];
}

function addressesOf(endpoints: ServiceEndpoints | undefined): ReadonlySet<string> {
	const addresses = new Set<string>();
	for (const list of endpoints?.byPort.values() ?? []) for (const endpoint of list) addresses.add(endpoint.address);
	return addresses;
}

function sortedByKey<T extends Workload | ConfigObject<"EndpointSlice">>(objects: readonly T[]): readonly T[] {
	return [...objects].sort(byKey);
}

function byKey(a: Workload | ConfigObject<"EndpointSlice">, b: Workload | ConfigObject<"EndpointSlice">): number {
	return compareText(keyOf(a) satisfies ObjectKey, keyOf(b));
}
