// What became of every resource whose status is written into the API: what the API server has, and what the control planes say. In:
// the objects that were read, statuses of this replica, counts of the others. Out: one fate for each.

import type { FateProblem, ResourceFate } from "../../kubernetes/status/resource-fate.ts";
import type { Kind } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import { labelOfKey } from "../../sources/files/file-ledger.ts";
import type { KubernetesSource } from "../../sources/kubernetes/kubernetes-source.ts";
import type { ResourceStatuses } from "../control/resource-status.ts";
import type { CountsByKey, ProxyCounts } from "./proxy-counts.ts";

export const kindsWithStatus = [
	"VirtualService",
	"DestinationRule",
	"Gateway",
	"ServiceEntry",
	"WorkloadEntry",
	"Sidecar",
	"PeerAuthentication",
	"RequestAuthentication",
	"AuthorizationPolicy",
	"VirtualIP",
	"VirtualIPPool",
	"HotSwitch",
	"MeshConfig",
	"RemoteCluster",
] as const satisfies readonly Kind[];

/** Kinds that are taken, and that nothing follows from. */
const noEffect: ReadonlyMap<Kind, string> = new Map([
	["RemoteCluster", "other clusters are not read yet: only this cluster's workloads are in the mesh"],
]);

export interface FatesInput {
	readonly source: Pick<KubernetesSource, "current" | "seen" | "watchedKind">;
	readonly statuses: Pick<ResourceStatuses, "statusOf">;
	readonly problems: readonly Problem[];
	/** Whether this revision writes the status of what has these labels. */
	readonly isOurs: (labels: Readonly<Record<string, string>>) => boolean;
	/** Of each other replica. */
	readonly others: readonly CountsByKey[];
}

export function resourceFates({ isOurs, others, problems, source, statuses }: FatesInput): readonly ResourceFate[] {
	const problemsOf = Map.groupBy(problems, ({ resource }) => resource);
	return kindsWithStatus.flatMap((kind) => {
		const watched = source.watchedKind(kind);
		if (!watched) return [];
		const because = noEffect.get(kind);
		return source.seen(kind).flatMap(({ generation, key, uid }): ResourceFate | readonly ResourceFate[] => {
			const [, namespace = "", name = ""] = key.split("/");
			const common = { resource: watched.resource, namespace, name, uid, generation };
			const object = source.current(key);
			if (!isOurs(object?.metadata.labels ?? {})) return [];
			// Refused from its first version on.
			if (!object)
				return { ...common, accepted: false, problems: (problemsOf.get(labelOfKey(key)) ?? []).map(fateProblem) };
			const status = statuses.statusOf(object);
			const proxies = status.proxies && sum([status.proxies, ...others.flatMap((counts) => counts[key] ?? [])]);
			return {
				...common,
				accepted: status.accepted,
				problems: status.problems.map(fateProblem),
				...(because === undefined ? {} : { noEffect: because }),
				...(proxies ? { proxies } : {}),
			};
		});
	});
}

function fateProblem({ severity, path, message, hint, code }: Problem): FateProblem {
	return { severity, path, message, hint, ...(code === undefined ? {} : { code }) };
}

function sum(all: readonly ProxyCounts[]): NonNullable<ResourceFate["proxies"]> {
	const total = (count: (one: ProxyCounts) => number): number => all.reduce((sofar, one) => sofar + count(one), 0);
	return {
		concerned: total(({ concerned }) => concerned),
		applied: total(({ applied }) => applied),
		withheld: total(({ withheld }) => withheld),
		rejected: all.flatMap(({ rejected }) => rejected.map(({ message, proxy, type }) => ({ message, proxy, type }))),
	};
}
