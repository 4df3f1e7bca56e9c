// One change in words, for failures: "the rule `services-out` 3 ...". In: a change. Out: what an operator can look for.

import type { NftElement } from "../../../l4/nftables/ruleset.ts";
import type { NftTableChange } from "../../nftables-tables.ts";

export function describeChange({ table, change }: NftTableChange): string {
	const where = `table ${table.family} ${table.name}`;
	switch (change.type) {
		case "addTable":
			return `add ${where}`;
		case "deleteTable":
			return `delete ${where}`;
		case "addSet":
			return `add ${change.set.data ? "map" : "set"} ${change.set.name} to ${where}`;
		case "deleteSet":
			return `delete set ${change.set} of ${where}`;
		case "addChain":
			return `add chain ${change.chain.name} to ${where}`;
		case "flushChain":
			return `flush chain ${change.chain} of ${where}`;
		case "deleteChain":
			return `delete chain ${change.chain} of ${where}`;
		case "addRule": {
			const kinds = change.rule.statements.map(({ type }) => type).join(", ");
			return `add a rule (${change.rule.comment ?? kinds}) to chain ${change.chain} of ${where}`;
		}
		case "addElements":
			return `add ${elements(change.elements)} to ${change.set.name} of ${where}`;
		case "deleteElements":
			return `delete ${elements(change.elements)} from ${change.set.name} of ${where}`;
		default:
			return change satisfies never;
	}
}

function elements(list: readonly NftElement[]): string {
	const [first] = list;
	if (!first) return "no elements";
	const key = first.key.join(" . ");
	return list.length === 1 ? `element ${key}` : `${list.length} elements (${key} ...)`;
}
