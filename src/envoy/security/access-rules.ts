// The policies of one action -> the rules and the shadow rules (dry run) of one RBAC filter.

import { create } from "@bufbuild/protobuf";
import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { AuthorizationPolicyView } from "../../model/security.ts";
import {
	type Policy,
	PolicySchema,
	type RBAC,
	type RBAC_Action,
	RBACSchema,
} from "../gen/envoy/config/rbac/v3/rbac_pb.ts";
import type { RuleMeaning } from "./rule-logic.ts";
import { permissions } from "./rule-permission.ts";
import { rulePolicy } from "./rule-policy.ts";
import { principals } from "./rule-principal.ts";

export interface AccessRules {
	/** Absent: no policy decides. Without policies inside: none matches, which for ALLOW denies everything. */
	readonly enforced?: RBAC;
	/** Evaluated and counted, decides nothing. */
	readonly shadow?: RBAC;
}

const matchesNothing: Policy = create(PolicySchema, {
	permissions: [permissions.not(permissions.any)],
	principals: [principals.not(principals.any)],
});

/** `namePrefix` is put in front of each rule's name `ns[NAMESPACE]-policy[NAME]-rule[INDEX]`. */
export function accessRules(
	policies: readonly AuthorizationPolicyView[],
	action: RBAC_Action,
	meaning: RuleMeaning,
	mesh: MeshSettings,
	namePrefix = "",
): AccessRules {
	const enforced = policies.filter(({ dryRun }) => !dryRun);
	const dryRun = policies.filter((policy) => policy.dryRun);
	const rbac = (of: readonly AuthorizationPolicyView[]): RBAC =>
		create(RBACSchema, {
			action,
			policies: Object.fromEntries(of.flatMap((policy) => policyRules(policy, meaning, mesh, namePrefix))),
		});
	return {
		...(enforced.length > 0 && { enforced: rbac(enforced) }),
		...(dryRun.length > 0 && { shadow: rbac(dryRun) }),
	};
}

function policyRules(
	policy: AuthorizationPolicyView,
	meaning: RuleMeaning,
	mesh: MeshSettings,
	namePrefix: string,
): readonly (readonly [string, Policy])[] {
	const context = {
		namespace: policy.namespace,
		trustDomains: [mesh.trustDomain, ...mesh.trustDomainAliases],
	};
	const name = (index: number) => `${namePrefix}ns[${policy.namespace}]-policy[${policy.name}]-rule[${index}]`;
	if (policy.rules.length === 0) return [[name(0), matchesNothing]];
	return policy.rules.flatMap((rule, index) => {
		const made = rulePolicy(rule, meaning, context);
		return made ? [[name(index), made] as const] : [];
	});
}
