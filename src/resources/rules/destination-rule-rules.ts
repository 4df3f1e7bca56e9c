// DestinationRule: its host and its subsets.

import type { ConfigObject } from "../config-object.ts";
import type { Findings } from "../findings.ts";
import { checkWildcardHost } from "./check-host.ts";
import { checkSubsetName } from "./destination-rules.ts";
import { checkExportTo } from "./export-to-rules.ts";
import { checkLabels, checkSelector } from "./label-rules.ts";
import { checkTrafficPolicy } from "./traffic-policy-rules.ts";

export function checkDestinationRule(object: ConfigObject<"DestinationRule">, findings: Findings): void {
	const { spec } = object;
	checkWildcardHost(spec.host ?? "", ["spec", "host"], findings);
	checkTrafficPolicy(spec.trafficPolicy, ["spec", "trafficPolicy"], findings);
	const names = new Set<string>();
	for (const [index, subset] of (spec.subsets ?? []).entries()) {
		const path = ["spec", "subsets", index];
		checkSubsetName(subset.name, [...path, "name"], findings);
		if (names.has(subset.name))
			findings.error([...path, "name"], `subset ${JSON.stringify(subset.name)} is there twice`, "rename or remove one");
		names.add(subset.name);
		checkLabels(subset.labels, [...path, "labels"], findings);
		checkTrafficPolicy(subset.trafficPolicy, [...path, "trafficPolicy"], findings);
	}
	checkExportTo(object, spec.exportTo, findings);
	if (spec.workloadSelector) checkSelector(spec.workloadSelector.matchLabels, ["spec", "workloadSelector"], findings);
}
