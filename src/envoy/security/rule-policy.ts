// One rule of an AuthorizationPolicy -> one policy of Envoy's RBAC: any of its permissions together with any of its
// principals. Each `to` and each `from` is one of them; `when` conditions are part of all.

import { create } from "@bufbuild/protobuf";
import type { AuthorizationRule } from "../../resources/kinds/security.ts";
import { type Permission, type Policy, PolicySchema, type Principal } from "../gen/envoy/config/rbac/v3/rbac_pb.ts";
import { allClauses, type Clause, type RuleMeaning } from "./rule-logic.ts";
import { operationClauses, permissionAttribute, permissions } from "./rule-permission.ts";
import { principalAttribute, principals, type SourceContext, sourceClauses } from "./rule-principal.ts";

/** Undefined: a grant that says something that cannot be held here, so nothing is granted. */
export function rulePolicy(rule: AuthorizationRule, meaning: RuleMeaning, context: SourceContext): Policy | undefined {
	const when = conditions(rule, meaning, context);
	if (!when) return undefined;
	const sources = rule.from?.length ? rule.from.map(({ source }) => sourceClauses(source ?? {}, context)) : [[]];
	const operations = rule.to?.length ? rule.to.map(({ operation }) => operationClauses(operation ?? {})) : [[]];
	const who: Principal[] = [];
	for (const clauses of sources) {
		const one = allClauses(principals, [...clauses, ...when.principals], meaning);
		if (!one) return undefined;
		who.push(one);
	}
	const what: Permission[] = [];
	for (const clauses of operations) {
		const one = allClauses(permissions, [...clauses, ...when.permissions], meaning);
		if (!one) return undefined;
		what.push(one);
	}
	return create(PolicySchema, { permissions: what, principals: who });
}

interface Conditions {
	readonly permissions: readonly Clause<Permission>[];
	readonly principals: readonly Clause<Principal>[];
}

/** A key that nobody knows makes a grant void, and is passed over in a refusal. */
function conditions(rule: AuthorizationRule, meaning: RuleMeaning, context: SourceContext): Conditions | undefined {
	const ofPermissions: Clause<Permission>[] = [];
	const ofPrincipals: Clause<Principal>[] = [];
	for (const { key, values = [], notValues = [] } of rule.when ?? []) {
		const what = permissionAttribute(key);
		const who = principalAttribute(key, context);
		if (what) ofPermissions.push({ attribute: what, values, notValues });
		else if (who) ofPrincipals.push({ attribute: who, values, notValues });
		else if (meaning.effect === "grant") return undefined;
	}
	return { permissions: ofPermissions, principals: ofPrincipals };
}
