// Sets that belong to one rule: the protocols of a `dnat`, the verdicts of a `pick`. In: a statement. Out: the set and its
// elements, which the transaction makes before the rule.

import type { NftElement, NftSet, NftStatement } from "../../../l4/nftables/ruleset.ts";

export interface AnonymousSet {
	readonly set: NftSet;
	readonly elements: readonly NftElement[];
}

export function anonymousSet(statement: NftStatement): AnonymousSet | undefined {
	switch (statement.type) {
		case "dnat":
		case "dnatMap":
			if (statement.protocol.length < 2 || (statement.type === "dnat" && statement.port === 0)) return undefined;
			return {
				set: { name: "__set%d", key: ["inet_proto"] },
				elements: statement.protocol.map((protocol) => ({ key: [protocol] })),
			};
		case "pick": {
			const first = typeof statement.by === "object" ? (statement.by.offset ?? 0) : 0;
			return {
				set: { name: "__map%d", key: ["slot"], data: "verdict" },
				elements: statement.verdicts.map((verdict, index) => ({ key: [first + index], data: verdict })),
			};
		}
		default:
			return undefined;
	}
}
