// What several control planes say, as one: each knows only the proxies that are connected to it, all know every resource.

import type { MeshStatus, ProxyItem, ResourceItem, ResourceStatus } from "../api/api-types.ts";

/** Sorted by name. A proxy that has just changed over may still be known to both: its newest connection counts. */
export function mergeProxies(lists: readonly (readonly ProxyItem[])[]): readonly ProxyItem[] {
	const byId = new Map<string, ProxyItem>();
	for (const item of lists.flat()) {
		const known = byId.get(item.id);
		if (!known || item.connectedMs > known.connectedMs) byId.set(item.id, item);
	}
	return [...byId.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** In the order of the first list; what only a later one knows comes after. */
export function mergeResources(lists: readonly (readonly ResourceItem[])[]): readonly ResourceItem[] {
	const merged = new Map<string, ResourceItem>();
	for (const item of lists.flat()) {
		const { kind, metadata } = item.manifest;
		const key = `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
		const known = merged.get(key);
		merged.set(key, known ? { ...known, status: mergeStatus(known.status, item.status) } : item);
	}
	return [...merged.values()];
}

function mergeStatus(one: ResourceStatus, two: ResourceStatus): ResourceStatus {
	const { proxies: a } = one;
	const { proxies: b } = two;
	const proxies =
		a && b
			? {
					concerned: a.concerned + b.concerned,
					applied: a.applied + b.applied,
					rejected: [...a.rejected, ...b.rejected],
					withheld: a.withheld + b.withheld,
				}
			: (a ?? b);
	return {
		accepted: one.accepted && two.accepted,
		problems: unique([...one.problems, ...two.problems]),
		...(proxies ? { proxies } : {}),
	};
}

/** Each different value once, in order. */
export function unique<Value>(values: readonly Value[]): readonly Value[] {
	return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}

/** Sums over the replicas. */
export function mergeProxyCounts(statuses: readonly MeshStatus[]): MeshStatus["proxies"] {
	const sum = (count: (proxies: MeshStatus["proxies"]) => number): number =>
		statuses.reduce((total, status) => total + count(status.proxies), 0);
	return {
		connected: sum((proxies) => proxies.connected),
		synced: sum((proxies) => proxies.synced),
		stale: sum((proxies) => proxies.stale),
		rejecting: sum((proxies) => proxies.rejecting),
		withheld: sum((proxies) => proxies.withheld),
	};
}
