// What a table holds after the changes that built it. In: changes that only add. Out: its contents.

import type { NftChange } from "./change.ts";
import type { NftChain, NftElement, NftRule, NftSet, NftTable, NftTableContents } from "./ruleset.ts";

export function tableContents(table: NftTable, changes: readonly NftChange[]): NftTableContents {
	const sets = new Map<string, { readonly set: NftSet; elements: readonly NftElement[] }>();
	const chains = new Map<string, { readonly chain: NftChain; readonly rules: NftRule[] }>();
	for (const change of changes) {
		if (change.type === "addSet") sets.set(change.set.name, { set: change.set, elements: [] });
		if (change.type === "addChain") chains.set(change.chain.name, { chain: change.chain, rules: [] });
		if (change.type === "addRule") chains.get(change.chain)?.rules.push(change.rule);
		const set = change.type === "addElements" ? sets.get(change.set.name) : undefined;
		if (set !== undefined && change.type === "addElements") set.elements = change.elements;
	}
	return { table, sets: [...sets.values()], chains: [...chains.values()] };
}
