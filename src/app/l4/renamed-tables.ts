// Tables under another name: a process that runs only virtual servers has its own beside those of the node, so that neither disturbs
// the other. In: the kernel's tables. Out: the same, with the name changed on the way.

import type { NftablesTables } from "../../kernel/nftables-tables.ts";
import type { NftTable } from "../../l4/nftables/ruleset.ts";

export function renamedTables(tables: NftablesTables, name: string): NftablesTables {
	const renamed = (table: NftTable): NftTable => ({ ...table, name });
	return {
		apply: (changes) => tables.apply(changes.map(({ table, change }) => ({ table: renamed(table), change }))),
		read: (table) => tables.read(renamed(table)),
		elements: (table, set) => tables.elements(renamed(table), set),
		watch: (watched, onForeignChange) => tables.watch(watched.map(renamed), onForeignChange),
		close: () => tables.close(),
	};
}
