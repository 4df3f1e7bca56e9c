// Tables in memory, for tests: what is in them, what was written, and a hand that changes or refuses.

import type { NftablesTables, NftTableChange, TableContents, Written } from "../../kernel/nftables-tables.ts";
import type { NftChange } from "../../l4/nftables/change.ts";
import type { NftElement, NftSet, NftTable, NftValue } from "../../l4/nftables/ruleset.ts";

interface MemoryTable {
	readonly chains: Map<string, number>;
	readonly sets: Map<string, Map<string, NftElement>>;
}

export class MemoryTables implements NftablesTables {
	readonly tables = new Map<string, MemoryTable>();
	readonly transactions: (readonly NftTableChange[])[] = [];
	/** Says why a transaction is refused. */
	refuse: (changes: readonly NftTableChange[]) => string | undefined = () => undefined;
	#onForeignChange: (what: string) => void = () => {};

	apply(changes: readonly NftTableChange[]): Written {
		this.transactions.push(changes);
		const message = this.refuse(changes);
		if (message !== undefined) return { ok: false, because: "refused", message };
		for (const { table, change } of changes) this.#change(nameOf(table), change);
		return { ok: true, bytes: changes.length, tookMs: 1 };
	}

	read(table: NftTable): TableContents | undefined {
		const found = this.tables.get(nameOf(table));
		return (
			found && { chains: [...found.chains].map(([name, rules]) => ({ name, rules })), sets: [...found.sets.keys()] }
		);
	}

	elements(table: NftTable, set: NftSet): readonly NftElement[] {
		return [...(this.tables.get(nameOf(table))?.sets.get(set.name)?.values() ?? [])];
	}

	watch(_tables: readonly NftTable[], onForeignChange: (what: string) => void) {
		this.#onForeignChange = onForeignChange;
		return () => {
			this.#onForeignChange = () => {};
		};
	}

	close(): void {}

	/** As somebody with `nft delete table` would. */
	foreignDelete(table: NftTable): void {
		this.tables.delete(nameOf(table));
		this.#onForeignChange(`table ${nameOf(table)} was deleted`);
	}

	/** Keys of a set, sorted. */
	keysOf(set: string, table = "ip keepmesh-l4"): readonly string[] {
		return [...(this.tables.get(table)?.sets.get(set)?.keys() ?? [])].sort();
	}

	/** Addresses in the data of all maps. */
	destinations(): readonly string[] {
		const found = new Set<string>();
		for (const { sets } of this.tables.values())
			for (const elements of sets.values())
				for (const { data } of elements.values()) if (Array.isArray(data)) found.add(data.join(":"));
		return [...found].sort();
	}

	#change(name: string, change: NftChange): void {
		if (change.type === "addTable") {
			if (!this.tables.has(name)) this.tables.set(name, { chains: new Map(), sets: new Map() });
			return;
		}
		const table = this.tables.get(name);
		if (!table) throw new Error(`${change.type} in ${name}, which is not there`);
		switch (change.type) {
			case "deleteTable":
				this.tables.delete(name);
				return;
			case "addSet":
				if (!table.sets.has(change.set.name)) table.sets.set(change.set.name, new Map());
				return;
			case "deleteSet":
				if (!table.sets.delete(change.set)) throw new Error(`no set ${change.set}`);
				return;
			case "addChain":
				if (!table.chains.has(change.chain.name)) table.chains.set(change.chain.name, 0);
				return;
			case "flushChain":
				table.chains.set(change.chain, 0);
				return;
			case "deleteChain":
				if (!table.chains.delete(change.chain)) throw new Error(`no chain ${change.chain}`);
				return;
			case "addRule":
				table.chains.set(change.chain, (table.chains.get(change.chain) ?? 0) + 1);
				return;
			case "addElements":
			case "deleteElements": {
				const set = table.sets.get(change.set.name);
				if (!set) throw new Error(`no set ${change.set.name}`);
				for (const element of change.elements)
					if (change.type === "addElements") set.set(keyOf(element.key), element);
					else if (!set.delete(keyOf(element.key))) throw new Error(`no ${keyOf(element.key)} in ${change.set.name}`);
				return;
			}
			default:
				change satisfies never;
		}
	}
}

const nameOf = ({ family, name }: NftTable): string => `${family} ${name}`;
const keyOf = (key: readonly NftValue[]): string => key.join(" . ");
