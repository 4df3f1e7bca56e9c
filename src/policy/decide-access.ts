// The policies of a workload and one request -> may it pass, which rule decided, and why the others did not.
// Istio's order: CUSTOM, then DENY, then ALLOW; with no ALLOW policy everything that was not denied passes.

import type { AuthorizationPolicyView } from "../model/security.ts";
import type { ObjectKey } from "../resources/config-object.ts";
import type { AccessRequest } from "./access-request.ts";
import { matchRule } from "./match-rule.ts";

export interface AccessDecision {
	/** `asksProvider`: no DENY policy is met, and a CUSTOM one leaves the rest to its provider. */
	readonly outcome: "allowed" | "denied" | "asksProvider";
	/** The rule that decided; absent when it was the lack of one. */
	readonly by?: { readonly policy: ObjectKey; readonly rule: number };
	readonly because: string;
	/** Every policy that was looked at, in order. */
	readonly steps: readonly PolicyStep[];
}

export interface PolicyStep {
	readonly policy: ObjectKey;
	readonly action: AuthorizationPolicyView["action"];
	/** Decides nothing. */
	readonly dryRun: boolean;
	/** Index of the first rule that is met. */
	readonly metRule?: number;
	/** Of each rule before that, why not. */
	readonly because: readonly string[];
}

export function decideAccess(
	policies: readonly AuthorizationPolicyView[],
	request: AccessRequest,
	trustDomains: readonly string[],
): AccessDecision {
	const steps: PolicyStep[] = [];
	const metBy = (action: PolicyStep["action"]): PolicyStep | undefined => {
		const evaluated = policies.filter((policy) => policy.action === action).map(evaluate);
		steps.push(...evaluated);
		return evaluated.find((step) => step.metRule !== undefined && !step.dryRun);
	};
	const evaluate = (policy: AuthorizationPolicyView): PolicyStep => {
		const because: string[] = [];
		const withoutHttp = policy.action === "ALLOW" ? "neverMatches" : "isLeftOut";
		const step = { policy: policy.source, action: policy.action, dryRun: policy.dryRun, because };
		for (const [metRule, rule] of policy.rules.entries()) {
			const outcome = matchRule(rule, request, { namespace: policy.namespace, trustDomains, withoutHttp });
			if (outcome.met) return { ...step, metRule };
			because.push(outcome.because);
		}
		return step;
	};

	const custom = metBy("CUSTOM");
	const denying = metBy("DENY");
	const allowing = metBy("ALLOW");
	metBy("AUDIT");
	if (denying) return { outcome: "denied", ...decidedBy(denying, "denies it"), steps };
	const allowPolicies = policies.filter(({ action, dryRun }) => action === "ALLOW" && !dryRun);
	if (allowPolicies.length > 0 && !allowing) {
		const because = `${allowPolicies.length} ALLOW ${allowPolicies.length === 1 ? "policy selects" : "policies select"} the workload, and no rule of them is met`;
		return { outcome: "denied", because, steps };
	}
	if (custom) return { outcome: "asksProvider", ...decidedBy(custom, "hands it to its provider"), steps };
	if (allowing) return { outcome: "allowed", ...decidedBy(allowing, "allows it"), steps };
	return { outcome: "allowed", because: "no ALLOW policy selects the workload, and no DENY rule is met", steps };
}

function decidedBy(step: PolicyStep, what: string): Pick<AccessDecision, "by" | "because"> {
	const rule = step.metRule ?? 0;
	return { by: { policy: step.policy, rule }, because: `rule ${rule} of ${step.policy} (${step.action}) ${what}` };
}
