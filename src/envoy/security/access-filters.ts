// ALLOW, DENY and AUDIT policies -> Envoy's RBAC filters, HTTP and TCP: AUDIT marks what its rules match, then DENY refuses
// it, then ALLOW, where there is one, refuses all that no rule matches. Names are Istio's.

import { create } from "@bufbuild/protobuf";
import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { AuthorizationPolicyView } from "../../model/security.ts";
import { packAny } from "../encode-resource.ts";
import { type Filter, FilterSchema } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import { RBAC_Action } from "../gen/envoy/config/rbac/v3/rbac_pb.ts";
import { RBACSchema as HttpRbacSchema } from "../gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts";
import {
	type HttpFilter,
	HttpFilterSchema,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { RBACSchema as TcpRbacSchema } from "../gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts";
import { type AccessRules, accessRules } from "./access-rules.ts";
import type { RuleMeaning } from "./rule-logic.ts";

/** RBAC's names of its filters, which are also where their results lie in the dynamic metadata. */
export const httpRbacFilter = "envoy.filters.http.rbac";
export const tcpRbacFilter = "envoy.filters.network.rbac";
export const tcpRbacStatPrefix = "tcp.";

interface Step {
	readonly action: AuthorizationPolicyView["action"];
	readonly rbac: RBAC_Action;
	readonly effect: RuleMeaning["effect"];
	/** Of the figures and the metadata of dry-run policies. */
	readonly dryRunPrefix: string;
}

const steps: readonly Step[] = [
	{ action: "AUDIT", rbac: RBAC_Action.LOG, effect: "refuse", dryRunPrefix: "" },
	{ action: "DENY", rbac: RBAC_Action.DENY, effect: "refuse", dryRunPrefix: "istio_dry_run_deny_" },
	{ action: "ALLOW", rbac: RBAC_Action.ALLOW, effect: "grant", dryRunPrefix: "istio_dry_run_allow_" },
];

export function httpAccessFilters(
	policies: readonly AuthorizationPolicyView[],
	mesh: MeshSettings,
): readonly HttpFilter[] {
	return rulesOfSteps(policies, "http", mesh).map(([step, rules]) => httpRbac(rules, step.dryRunPrefix));
}

export function tcpAccessFilters(policies: readonly AuthorizationPolicyView[], mesh: MeshSettings): readonly Filter[] {
	return rulesOfSteps(policies, "tcp", mesh).map(([step, rules]) => tcpRbac(rules, step.dryRunPrefix));
}

function rulesOfSteps(
	policies: readonly AuthorizationPolicyView[],
	protocol: RuleMeaning["protocol"],
	mesh: MeshSettings,
): readonly (readonly [Step, AccessRules])[] {
	return steps.flatMap((step) => {
		const ofStep = policies.filter(({ action }) => action === step.action);
		if (ofStep.length === 0) return [];
		return [[step, accessRules(ofStep, step.rbac, { effect: step.effect, protocol }, mesh)] as const];
	});
}

export function httpRbac({ enforced, shadow }: AccessRules, shadowRulesStatPrefix: string): HttpFilter {
	const config = packAny(HttpRbacSchema, {
		...(enforced && { rules: enforced }),
		...(shadow && { shadowRules: shadow, shadowRulesStatPrefix }),
	});
	return create(HttpFilterSchema, { name: httpRbacFilter, configType: { case: "typedConfig", value: config } });
}

export function tcpRbac({ enforced, shadow }: AccessRules, shadowRulesStatPrefix: string): Filter {
	const config = packAny(TcpRbacSchema, {
		statPrefix: tcpRbacStatPrefix,
		...(enforced && { rules: enforced }),
		...(shadow && { shadowRules: shadow, shadowRulesStatPrefix }),
	});
	return create(FilterSchema, { name: tcpRbacFilter, configType: { case: "typedConfig", value: config } });
}
