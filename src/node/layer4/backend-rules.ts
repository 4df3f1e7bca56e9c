// Rules of one backend, nftables or IPVS: what keeps them does not ask which. In: balancers by owner. Out: where they are in force, or
// why they are not.

import type { Balancer } from "../../l4/balancer.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import type { RulesProblem } from "./layer4-status.ts";

export interface BackendRules {
	/** Undefined removes them. Takes effect with `apply`. */
	set(owner: string, balancers: readonly Balancer[] | undefined): void;
	setNode(node: NodeFacts): void;
	/** Brings the kernel to what was set; false when it could not: then it is tried again by itself. */
	apply(): boolean;
	problems(): readonly RulesProblem[];
	readonly isInForce: boolean;
	close(how: RulesEnd): void;
}

export interface RulesEnd {
	readonly keepRules: boolean;
}

/** The same rules, and with their end that of what they were opened with. */
export function closedWith(rules: BackendRules, afterClose: (how: RulesEnd) => void): BackendRules {
	return {
		set: (owner, balancers) => rules.set(owner, balancers),
		setNode: (node) => rules.setNode(node),
		apply: () => rules.apply(),
		problems: () => rules.problems(),
		get isInForce() {
			return rules.isInForce;
		},
		close: (how) => {
			rules.close(how);
			afterClose(how);
		},
	};
}
