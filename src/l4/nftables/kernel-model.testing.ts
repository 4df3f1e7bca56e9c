// nftables in memory: takes the changes that the kernel would take, throws where it would refuse. In: changes. Out: contents.

import type { NftChange, NftTableChange } from "./change.ts";
import { renderElement } from "./render-text.ts";
import type {
	NftChain,
	NftElement,
	NftRule,
	NftSet,
	NftStatement,
	NftTable,
	NftTableContents,
	NftVerdict,
} from "./ruleset.ts";

interface ModelTable {
	readonly table: NftTable;
	readonly sets: Map<string, { readonly set: NftSet; readonly elements: Map<string, NftElement> }>;
	readonly chains: Map<string, { readonly chain: NftChain; rules: NftRule[] }>;
}

export class KernelModel {
	readonly tables = new Map<string, ModelTable>();

	apply(changes: readonly NftTableChange[]): void {
		for (const { table, change } of changes) {
			try {
				this.#apply(table, change);
			} catch (error) {
				throw new Error(`${table.family} ${JSON.stringify(change).slice(0, 400)}: ${String(error)}`);
			}
		}
	}

	contents(): readonly NftTableContents[] {
		return [...this.tables.values()].map(({ table, sets, chains }) => ({
			table,
			sets: [...sets.values()].map(({ set, elements }) => ({ set, elements: [...elements.values()] })),
			chains: [...chains.values()],
		}));
	}

	#apply(table: NftTable, change: NftChange): void {
		const id = `${table.family} ${table.name}`;
		if (change.type === "addTable") {
			if (!this.tables.has(id)) this.tables.set(id, { table, sets: new Map(), chains: new Map() });
			return;
		}
		const model = present(this.tables.get(id), "no such table");
		switch (change.type) {
			case "deleteTable":
				this.tables.delete(id);
				return;
			case "addSet":
				absent(model.sets.get(change.set.name));
				model.sets.set(change.set.name, { set: change.set, elements: new Map() });
				return;
			case "deleteSet":
				present(model.sets.get(change.set), "no such set");
				if (statementsOf(model).some((statement) => setOf(statement) === change.set)) throw new Error("set is in use");
				model.sets.delete(change.set);
				return;
			case "addChain":
				absent(model.chains.get(change.chain.name));
				model.chains.set(change.chain.name, { chain: change.chain, rules: [] });
				return;
			case "flushChain":
				present(model.chains.get(change.chain), "no such chain").rules = [];
				return;
			case "deleteChain":
				if (present(model.chains.get(change.chain), "no such chain").rules.length > 0)
					throw new Error("chain has rules");
				if (verdictsOf(model).some((verdict) => targetOf(verdict) === change.chain)) throw new Error("chain is in use");
				model.chains.delete(change.chain);
				return;
			case "addRule":
				for (const statement of change.rule.statements) checkStatement(model, statement);
				present(model.chains.get(change.chain), "no such chain").rules.push(change.rule);
				return;
			case "addElements": {
				const { elements } = sameSet(model, change.set);
				for (const element of change.elements) addElement(model, change.set, elements, element);
				return;
			}
			case "deleteElements": {
				const { elements } = sameSet(model, change.set);
				for (const { key } of change.elements)
					if (!elements.delete(key.join(" "))) throw new Error(`no such element: ${key.join(" ")}`);
				return;
			}
			default:
				change satisfies never;
		}
	}
}

function addElement(model: ModelTable, set: NftSet, elements: Map<string, NftElement>, element: NftElement): void {
	if (element.key.length !== set.key.length) throw new Error("key has another length");
	const { data } = element;
	if ((set.data === undefined) !== (data === undefined)) throw new Error("data is missing or too much");
	if (data !== undefined && "type" in data) {
		if (set.data !== "verdict") throw new Error("a verdict in a map of values");
		checkVerdict(model, data);
	} else if (data !== undefined && (set.data === "verdict" || data.length !== set.data?.length))
		throw new Error("data has another length");
	const key = element.key.join(" ");
	if (elements.has(key)) throw new Error(`element is there: ${renderElement(element)}`);
	elements.set(key, element);
}

function checkStatement(model: ModelTable, statement: NftStatement): void {
	for (const verdict of verdictsIn(statement)) checkVerdict(model, verdict);
	const name = setOf(statement);
	if (name === undefined) return;
	const { set } = present(model.sets.get(name), `no such set: ${name}`);
	const keyed =
		statement.type === "in" ||
		statement.type === "vmap" ||
		statement.type === "dnatMap" ||
		statement.type === "snatMap" ||
		statement.type === "update";
	if (keyed && statement.key.length !== set.key.length) throw new Error(`${name} has another key`);
	if (statement.type === "in" && set.data !== undefined) throw new Error(`${name} is a map`);
	if (statement.type === "vmap" && set.data !== "verdict") throw new Error(`${name} has no verdicts`);
	if ((statement.type === "dnatMap" || statement.type === "snatMap") && !Array.isArray(set.data))
		throw new Error(`${name} has no values`);
	if (statement.type === "update" && set.dynamic === undefined) throw new Error(`${name} is not dynamic`);
}

function checkVerdict(model: ModelTable, verdict: NftVerdict): void {
	const chain = targetOf(verdict);
	if (chain !== undefined) present(model.chains.get(chain), `no such chain: ${chain}`);
}

function sameSet(model: ModelTable, set: NftSet) {
	const found = present(model.sets.get(set.name), `no such set: ${set.name}`);
	if (JSON.stringify(found.set) !== JSON.stringify(set)) throw new Error(`${set.name} was made otherwise`);
	return found;
}

function statementsOf(model: ModelTable): readonly NftStatement[] {
	return [...model.chains.values()].flatMap(({ rules }) => rules.flatMap(({ statements }) => statements));
}

function verdictsOf(model: ModelTable): readonly NftVerdict[] {
	const inElements = [...model.sets.values()].flatMap(({ elements }) =>
		[...elements.values()].flatMap(({ data }) => (data !== undefined && "type" in data ? [data] : [])),
	);
	return [...inElements, ...statementsOf(model).flatMap(verdictsIn)];
}

function verdictsIn(statement: NftStatement): readonly NftVerdict[] {
	if (statement.type === "verdict") return [statement.verdict];
	return statement.type === "pick" ? statement.verdicts : [];
}

function setOf(statement: NftStatement): string | undefined {
	if (statement.type === "in" || statement.type === "update") return statement.set;
	return statement.type === "vmap" || statement.type === "dnatMap" || statement.type === "snatMap"
		? statement.map
		: undefined;
}

function targetOf(verdict: NftVerdict): string | undefined {
	return verdict.type === "goto" || verdict.type === "jump" ? verdict.chain : undefined;
}

function present<Value>(value: Value | undefined, because: string): Value {
	if (value === undefined) throw new Error(because);
	return value;
}

function absent(value: unknown): void {
	if (value !== undefined) throw new Error("is there already");
}
