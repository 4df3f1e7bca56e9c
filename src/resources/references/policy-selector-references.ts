// Selectors of policies that select nothing: Istio's IST0127 (no matching workloads found).

import type { AnyObject } from "../config-object.ts";
import type { Guarded } from "./guarded-workloads.ts";
import type { KnownWorkload, MeshIndex } from "./mesh-index.ts";
import type { Report } from "./report.ts";

export function checkPolicySelectors(index: MeshIndex, guarded: Guarded, report: Report): void {
	for (const kind of ["PeerAuthentication", "RequestAuthentication", "AuthorizationPolicy", "HotSwitch"] as const)
		for (const policy of index.of(kind)) {
			const labels = policy.spec.selector?.matchLabels ?? {};
			const inReach = guarded.inReach(policy);
			// Nothing is known about what runs there: nothing can be said.
			if (Object.keys(labels).length === 0 || inReach.length === 0) continue;
			if (guarded.selected(policy, labels).length > 0) continue;
			const wanted = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
			report(
				"warning",
				"IST0127",
				policy,
				["spec", "selector"],
				`selects nothing: no workload${whereOf(policy, guarded)} has ${wanted.join(", ")}`,
				labelsHint(labels, inReach),
			);
		}
}

function whereOf({ metadata }: AnyObject, guarded: Guarded): string {
	return metadata.namespace === guarded.rootNamespace ? "" : ` of namespace ${metadata.namespace}`;
}

/** The values that the first label that nobody has does have. */
function labelsHint(labels: Readonly<Record<string, string>>, workloads: readonly KnownWorkload[]): string {
	for (const [name, value] of Object.entries(labels)) {
		const values = new Set(workloads.flatMap((workload) => workload.labels[name] ?? []));
		if (values.has(value)) continue;
		if (values.size === 0) return `no workload has a label ${name}`;
		const some = [...values].sort().slice(0, 5);
		return `${name} is ${some.join(", ")}${values.size > some.length ? ", ..." : ""} there`;
	}
	return "each label is there, but not on one workload";
}
