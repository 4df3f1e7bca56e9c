// The trafficPolicy of a DestinationRule and of a subset -> the policy of one port, by Istio's merge rules.

import type { Subset, TrafficPolicy } from "../../resources/kinds/networking.ts";

/** Settings of a port replace all settings of the rule: what they leave out is at its default, not inherited. */
export function policyForPort(policy: TrafficPolicy | undefined, port: number): TrafficPolicy | undefined {
	const setting = policy?.portLevelSettings?.find((candidate) => candidate.port?.number === port);
	if (policy === undefined || setting === undefined) return policy;
	return {
		loadBalancer: setting.loadBalancer,
		connectionPool: setting.connectionPool,
		outlierDetection: setting.outlierDetection,
		tls: setting.tls,
		tunnel: policy.tunnel,
		proxyProtocol: policy.proxyProtocol,
		retryBudget: policy.retryBudget,
	};
}

/** A subset's policy goes over the rule's, block by block; a block that the subset leaves out is inherited. */
export function policyForSubset(
	rulePolicy: TrafficPolicy | undefined,
	subset: Subset,
	port: number,
): TrafficPolicy | undefined {
	const base = policyForPort(rulePolicy, port);
	if (subset.trafficPolicy === undefined) return base;
	const own = policyForPort(subset.trafficPolicy, port) ?? {};
	if (base === undefined) return own;
	const replacesAll = own !== subset.trafficPolicy;
	const inherit = <K extends keyof TrafficPolicy>(key: K): TrafficPolicy[K] =>
		own[key] ?? (replacesAll ? undefined : base[key]);
	return {
		loadBalancer: inherit("loadBalancer"),
		connectionPool: inherit("connectionPool"),
		outlierDetection: inherit("outlierDetection"),
		tls: inherit("tls"),
		tunnel: own.tunnel ?? base.tunnel,
		proxyProtocol: own.proxyProtocol ?? base.proxyProtocol,
		retryBudget: own.retryBudget ?? base.retryBudget,
	};
}
