// What DestinationRules refer to. Istio's IST0174 (unknown host) and IST0173 (a subset that selects nothing).

import type { ConfigObject } from "../config-object.ts";
import { hostCovers } from "../rules/host-rules.ts";
import { nearestName } from "../text/nearest-name.ts";
import { fullHost, type KnownHost, type MeshIndex, selects } from "./mesh-index.ts";
import type { Report } from "./report.ts";

export function checkDestinationRuleReferences(index: MeshIndex, report: Report): void {
	for (const rule of index.of("DestinationRule")) {
		const { namespace } = rule.metadata;
		const host = fullHost(rule.spec.host ?? "", namespace);
		const known = host.startsWith("*") ? coveredHosts(host, index) : index.lookUp(host, namespace);
		if (known.length === 0) {
			const near = nearestName(host, index.hosts.keys());
			report(
				"warning",
				"IST0174",
				rule,
				["spec", "host"],
				`there is no service ${host}`,
				near ? `did you mean ${near}?` : "add a Service or a ServiceEntry for it",
			);
		} else if (!host.startsWith("*")) checkSubsets(rule, known, index, report);
	}
}

function coveredHosts(wildcard: string, index: MeshIndex): readonly KnownHost[] {
	for (const [host, known] of index.hosts) if (hostCovers(wildcard, host)) return known;
	return [];
}

function checkSubsets(
	rule: ConfigObject<"DestinationRule">,
	known: readonly KnownHost[],
	index: MeshIndex,
	report: Report,
): void {
	if ((rule.spec.subsets?.length ?? 0) === 0) return;
	const labels = known.flatMap((host) => workloadLabels(host, index));
	// Nothing is known about what runs behind it: nothing can be said.
	if (labels.length === 0) return;
	for (const [at, subset] of (rule.spec.subsets ?? []).entries())
		if (!labels.some((of) => selects(subset.labels ?? {}, of))) {
			const wanted = Object.entries(subset.labels ?? {}).map(([key, value]) => `${key}=${value}`);
			report(
				"warning",
				"IST0173",
				rule,
				["spec", "subsets", at],
				`subset ${subset.name} selects nothing: no workload of ${rule.spec.host} has ${wanted.join(", ")}`,
				"check the labels of the workloads",
			);
		}
}

function workloadLabels(host: KnownHost, index: MeshIndex): readonly Readonly<Record<string, string>>[] {
	const { object } = host;
	const own =
		object.kind === "ServiceEntry" ? (object.spec.endpoints ?? []).map((endpoint) => endpoint.labels ?? {}) : [];
	const selector = object.kind === "Service" ? object.spec.selector : object.spec.workloadSelector?.labels;
	if (!selector) return own;
	const selected = (index.workloads.get(host.namespace) ?? []).filter((workload) => selects(selector, workload.labels));
	return [...own, ...selected.map((workload) => workload.labels)];
}
