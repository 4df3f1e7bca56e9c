// What several control planes say of workloads, as one: each sees as connected only what is connected to it.

import type { WorkloadItem } from "../api/api-types.ts";

/** A workload that is connected to one of them is shown as that one shows it; what is alike is put together. */
export function mergeWorkloads(lists: readonly (readonly WorkloadItem[])[]): readonly WorkloadItem[] {
	const all = lists.flat();
	const connected = new Set(all.filter((item) => item.proxy === "connected").flatMap(namesIn));
	const merged = new Map<string, WorkloadItem>();
	for (const item of all) {
		const names = item.names.filter(
			(name) => item.proxy === "connected" || !connected.has(`${item.namespace}/${name}`),
		);
		if (names.length === 0) continue;
		const key = JSON.stringify({ ...item, names: [] });
		const known = merged.get(key)?.names ?? [];
		merged.set(key, { ...item, names: [...new Set([...known, ...names])].sort() });
	}
	return [...merged.values()].sort((a, b) => ((a.names[0] ?? "") < (b.names[0] ?? "") ? -1 : 1));
}

function namesIn({ names, namespace }: WorkloadItem): readonly string[] {
	return names.map((name) => `${namespace}/${name}`);
}
