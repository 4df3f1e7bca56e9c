// Whether a policy is meant for a workload: by the workload's labels, or by the gateways that the policy names. A policy that
// names targets is never taken for one without a selector. Istio's WorkloadPolicyMatcher.

import type { PolicyTargetReference } from "../resources/kinds/security.ts";
import { selects } from "./label-selector.ts";
import type { AccessPolicy } from "./policy-index.ts";

export interface PolicyWorkload {
	readonly namespace: string;
	readonly labels: Readonly<Record<string, string>>;
	/** Istio Gateways that it runs, `namespace/name`; sidecars run none. */
	readonly gateways: ReadonlySet<string>;
}

/** Label of workloads that run a Gateway of the Gateway API. */
const gatewayNameLabel = "gateway.networking.k8s.io/gateway-name";

export function targetsOf({ spec }: AccessPolicy): readonly PolicyTargetReference[] {
	if (spec.targetRefs !== undefined && spec.targetRefs.length > 0) return spec.targetRefs;
	return spec.targetRef === undefined ? [] : [spec.targetRef];
}

/** Services are targets for waypoint proxies alone: on a sidecar such a policy does nothing. */
export function attaches(policy: AccessPolicy, workload: PolicyWorkload): boolean {
	const targets = targetsOf(policy);
	if (targets.length === 0) return selects(policy.spec.selector?.matchLabels ?? {}, workload.labels);
	return targets.some((target) => isTarget(target, policy.metadata.namespace, workload));
}

/** Only a gateway of the policy's own namespace can be one. */
export function canBeTarget(target: PolicyTargetReference, namespace: string): boolean {
	const { kind, group = "" } = target;
	return kind === "Gateway" && gatewayGroups.has(group) && (target.namespace || namespace) === namespace;
}

const istioGroup = "networking.istio.io";
const gatewayGroups: ReadonlySet<string> = new Set([istioGroup, "gateway.networking.k8s.io"]);

function isTarget(target: PolicyTargetReference, namespace: string, workload: PolicyWorkload): boolean {
	if (!canBeTarget(target, namespace)) return false;
	if (target.group === istioGroup) return workload.gateways.has(`${namespace}/${target.name}`);
	return workload.namespace === namespace && workload.labels[gatewayNameLabel] === target.name;
}
