// What a rule's statements and a set's elements refer to. In: a statement, an element's data. Out: names of sets and chains.

import type { NftElement, NftStatement, NftVerdict } from "../../l4/nftables/ruleset.ts";

export function setOf(statement: NftStatement): string | undefined {
	switch (statement.type) {
		case "in":
		case "update":
			return statement.set;
		case "vmap":
		case "dnatMap":
		case "snatMap":
			return statement.map;
		default:
			return undefined;
	}
}

export function targetsOf(statement: NftStatement): readonly string[] {
	const verdicts: readonly NftVerdict[] =
		statement.type === "verdict" ? [statement.verdict] : statement.type === "pick" ? statement.verdicts : [];
	return verdicts.flatMap((verdict) => ("chain" in verdict ? [verdict.chain] : []));
}

export function verdictTarget(data: NftElement["data"]): string | undefined {
	return data !== undefined && "chain" in data ? data.chain : undefined;
}
