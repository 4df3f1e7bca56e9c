// What tables of nftables hold, in memory, and the rules by which the kernel takes a change or refuses it. In: one change after
// another. Out: nothing, or the error number that the kernel gives; every change can be taken back.

import type { NftChange, NftTableChange } from "../../l4/nftables/change.ts";
import type { NftChain, NftElement, NftRule, NftSet, NftTable, NftVerdict } from "../../l4/nftables/ruleset.ts";
import { EBUSY, EEXIST, EINVAL, ENOENT, EOPNOTSUPP } from "../linux/abi/errno.ts";
import { ElementStore } from "./nftables-elements.ts";
import { setOf, targetsOf, verdictTarget } from "./nftables-references.ts";

export interface ChainState {
	readonly chain: NftChain;
	readonly rules: readonly NftRule[];
}

export interface SetState {
	readonly set: NftSet;
	readonly elements: ElementStore;
}

export interface TableState {
	readonly table: NftTable;
	readonly chains: Map<string, ChainState>;
	readonly sets: Map<string, SetState>;
}

/** The kernel's error number; 0: taken. */
type Refusal = number;

export class NftablesState {
	readonly tables = new Map<string, TableState>();
	readonly #undo: (() => void)[] = [];

	get(table: NftTable): TableState | undefined {
		return this.tables.get(idOf(table));
	}

	/** What was done since is final. */
	commit(): void {
		this.#undo.length = 0;
	}

	/** All that was done since the last commit is taken back. */
	abort(): void {
		for (const undo of this.#undo.splice(0).reverse()) undo();
	}

	change({ table, change }: NftTableChange): Refusal {
		const state = this.get(table);
		if (change.type === "addTable") {
			if (!state) this.#set(this.tables, idOf(table), { table, chains: new Map(), sets: new Map() });
			return 0;
		}
		if (!state) return ENOENT;
		switch (change.type) {
			case "deleteTable":
				this.#delete(this.tables, idOf(table));
				return 0;
			case "addSet":
				return this.#addSet(state, change.set);
			case "deleteSet": {
				if (!state.sets.has(change.set)) return ENOENT;
				if (rulesOf(state).some((rule) => rule.statements.some((each) => setOf(each) === change.set))) return EBUSY;
				this.#delete(state.sets, change.set);
				return 0;
			}
			case "addChain":
				return this.#addChain(state, change.chain);
			case "flushChain": {
				const old = state.chains.get(change.chain);
				if (!old) return ENOENT;
				this.#set(state.chains, change.chain, { chain: old.chain, rules: [] });
				return 0;
			}
			case "deleteChain":
				return this.#deleteChain(state, change.chain);
			case "addRule":
				return this.#addRule(state, change);
			case "addElements":
			case "deleteElements":
				return this.#elements(state, change);
			default:
				return change satisfies never;
		}
	}

	#addSet(state: TableState, set: NftSet): Refusal {
		const old = state.sets.get(set.name);
		if (old) return sameSet(old.set, set) ? 0 : EEXIST;
		this.#set(state.sets, set.name, { set, elements: new ElementStore(set) });
		return 0;
	}

	#addChain(state: TableState, chain: NftChain): Refusal {
		const old = state.chains.get(chain.name);
		if (!old) {
			this.#set(state.chains, chain.name, { chain, rules: [] });
			return 0;
		}
		const [had, wanted] = [old.chain.hook, chain.hook];
		if (!wanted) return 0;
		if (had?.type !== wanted.type || had.hook !== wanted.hook) return EEXIST;
		return had.priority === wanted.priority ? 0 : EOPNOTSUPP;
	}

	/** Its own rules leave with it, but one that leads back to it keeps it as any other would. */
	#deleteChain(state: TableState, name: string): Refusal {
		if (!state.chains.has(name)) return ENOENT;
		const isMeant = (rule: NftRule) => rule.statements.some((each) => targetsOf(each).includes(name));
		if (rulesOf(state).some(isMeant)) return EBUSY;
		for (const { set, elements } of state.sets.values())
			if (set.data === "verdict" && elements.some(({ data }) => verdictTarget(data) === name)) return EBUSY;
		this.#delete(state.chains, name);
		return 0;
	}

	#addRule(state: TableState, { chain, rule }: Extract<NftChange, { type: "addRule" }>): Refusal {
		const old = state.chains.get(chain);
		if (!old) return ENOENT;
		for (const statement of rule.statements) {
			const name = setOf(statement);
			const set = name === undefined ? undefined : state.sets.get(name)?.set;
			if (name !== undefined && !set) return ENOENT;
			if (statement.type === "vmap" && set?.data !== "verdict") return EINVAL;
			if ((statement.type === "dnatMap" || statement.type === "snatMap") && !Array.isArray(set?.data)) return EINVAL;
			if (statement.type === "update" && !set?.dynamic) return EOPNOTSUPP;
			for (const target of targetsOf(statement)) {
				const refusal = refusedTarget(state, target);
				if (refusal !== 0) return refusal;
			}
		}
		this.#set(state.chains, chain, { chain: old.chain, rules: [...old.rules, rule] });
		return 0;
	}

	#elements(state: TableState, change: Extract<NftChange, { elements: unknown }>): Refusal {
		const store = state.sets.get(change.set.name)?.elements;
		if (!store) return ENOENT;
		for (const element of change.elements) {
			if (change.type === "addElements") {
				const target = verdictTarget(element.data);
				const refusal = refusedData(store.set, element) || (target === undefined ? 0 : refusedTarget(state, target));
				if (refusal !== 0) return refusal;
			}
			const done = change.type === "addElements" ? store.add(element) : store.delete(element);
			if (!done) return change.type === "addElements" ? EEXIST : ENOENT;
			this.#undo.push(done);
		}
		return 0;
	}

	#set<Value>(map: Map<string, Value>, key: string, value: Value): void {
		// Also the order comes back.
		const before = [...map];
		map.set(key, value);
		this.#undo.push(() => restore(map, before));
	}

	#delete<Value>(map: Map<string, Value>, key: string): void {
		const before = [...map];
		map.delete(key);
		this.#undo.push(() => restore(map, before));
	}
}

const idOf = ({ family, name }: NftTable): string => `${family} ${name}`;

const rulesOf = (state: TableState): readonly NftRule[] => [...state.chains.values()].flatMap(({ rules }) => rules);

function restore<Value>(map: Map<string, Value>, entries: readonly [string, Value][]): void {
	map.clear();
	for (const [key, value] of entries) map.set(key, value);
}

/** Base chains are the kernel's to call. */
function refusedTarget(state: TableState, target: string): Refusal {
	const chain = state.chains.get(target)?.chain;
	if (!chain) return ENOENT;
	return chain.hook ? EOPNOTSUPP : 0;
}

/** Elements have data where the set is a map, and only there. */
function refusedData(set: NftSet, { data }: NftElement): Refusal {
	const wanted = set.data === undefined ? "none" : set.data === "verdict" ? "verdict" : "values";
	const given = data === undefined ? "none" : isVerdict(data) ? "verdict" : "values";
	return wanted === given ? 0 : EINVAL;
}

const isVerdict = (data: NonNullable<NftElement["data"]>): data is NftVerdict => "type" in data;

function sameSet(a: NftSet, b: NftSet): boolean {
	const shape = ({ key, data, interval, dynamic }: NftSet) =>
		JSON.stringify([key, data, interval ?? false, dynamic?.timeoutSec, dynamic?.size]);
	return shape(a) === shape(b);
}
