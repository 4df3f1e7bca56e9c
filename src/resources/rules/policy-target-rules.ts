// What a policy is attached to: workloads by their labels, or gateways and services by reference; one of the two.

import type { Findings, Path } from "../findings.ts";
import type { PolicyTargetReference, WorkloadLabelSelector } from "../kinds/security.ts";
import { checkSelector } from "./label-rules.ts";

interface PolicyTargets {
	readonly selector?: WorkloadLabelSelector;
	readonly targetRef?: PolicyTargetReference;
	readonly targetRefs?: readonly PolicyTargetReference[];
}

/** Istio's own Gateways can be targets as well as those of the Gateway API. */
const groups: Readonly<Record<string, readonly string[]>> = {
	Service: ["", "core"],
	ServiceEntry: ["networking.istio.io"],
	Gateway: ["gateway.networking.k8s.io", "networking.istio.io"],
	GatewayClass: ["gateway.networking.k8s.io"],
};

export function checkPolicyTargets(spec: PolicyTargets, findings: Findings): void {
	const { selector, targetRef, targetRefs = [] } = spec;
	const given = [
		...(selector ? ["selector"] : []),
		...(targetRef ? ["targetRef"] : []),
		...(targetRefs.length > 0 ? ["targetRefs"] : []),
	];
	if (given.length > 1)
		findings.error(["spec"], `${given.join(" and ")} exclude each other`, `keep ${given.at(0)} only`);
	checkWorkloadSelector(selector, findings);
	if (targetRef) checkTargetRef(targetRef, ["spec", "targetRef"], findings);
	for (const [index, reference] of targetRefs.entries())
		checkTargetRef(reference, ["spec", "targetRefs", index], findings);
}

export function checkWorkloadSelector(selector: WorkloadLabelSelector | undefined, findings: Findings): void {
	if (!selector) return;
	const path = ["spec", "selector", "matchLabels"];
	checkSelector(selector.matchLabels, path, findings);
	for (const [name, value] of Object.entries(selector.matchLabels ?? {}))
		if (value.length > 63)
			findings.error(
				[...path, name],
				`the value has ${value.length} characters`,
				"values of labels have 63 at the most",
			);
}

function checkTargetRef(reference: PolicyTargetReference, path: Path, findings: Findings): void {
	const { group = "", kind, name, namespace } = reference;
	const allowed = groups[kind] ?? [];
	if (name === "") findings.error([...path, "name"], "the name is empty", `name one ${kind}`);
	if (!allowed.includes(group))
		findings.error(
			[...path, "group"],
			`there is no ${kind} in group ${JSON.stringify(group)} that a policy can be attached to`,
			`write group: ${JSON.stringify(allowed[0])}`,
		);
	else if (kind !== "Gateway")
		findings.warning(
			path,
			`a policy for a ${kind} guards nothing: it is for waypoint proxies, and sidecars and gateways pass it over`,
			"use selector: { matchLabels: ... } with the labels of the workloads, or the target Gateway",
		);
	if (namespace)
		findings.error(
			[...path, "namespace"],
			"a policy is attached to things of its own namespace only",
			"remove namespace, and put the policy where its target is",
		);
}
