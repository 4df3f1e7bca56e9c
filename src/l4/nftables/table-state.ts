// One table: what it holds, and the transaction that is being made. In: fronts that leave and come. Out: the changes in an order that the
// kernel takes: sets and chains before what names them, elements out before others with the same key come in, chains and sets last
// that nothing names any more.

import type { IpFamily } from "../balancer.ts";
import type { NodeFacts } from "../node-facts.ts";
import { AnsweringFronts } from "./answering-fronts.ts";
import { baseChains, nodeSets, standingSets } from "./base-chains.ts";
import type { NftChange } from "./change.ts";
import type { FamilyWords } from "./family-words.ts";
import { familyWords } from "./family-words.ts";
import type { AnswerChain } from "./front-chains.ts";
import type { NftElement, NftRule, NftSet } from "./ruleset.ts";
import { SpareChains } from "./spare-chains.ts";

/** Kernels before 6.2 notice only some time later that no element leads to a chain any more, and refuse to delete it until then. */
const lingerMs = 1000;

interface UsedChain {
	users: number;
	readonly rules: readonly NftRule[];
	readonly neighbours: AnswerChain["neighbours"];
}

interface UsedSet {
	readonly set: NftSet;
	users: number;
}

/** A set of addresses that several fronts may want: every part of an element's key is the address. */
interface SharedAddresses {
	readonly set: NftSet;
	readonly users: Map<string, number>;
	/** Of those that were touched: whether the kernel has it. */
	readonly before: Map<string, boolean>;
}

export class TableState {
	readonly words: FamilyWords;
	readonly answeringFronts: AnsweringFronts;
	readonly #family: IpFamily;
	#isNew = true;
	readonly #chains = new Map<string, UsedChain>();
	readonly #chainsBefore = new Map<string, UsedChain | undefined>();
	readonly #spare = new SpareChains();
	#verdicts = 0;
	readonly #sets = new Map<string, UsedSet>();
	readonly #setsBefore = new Map<string, NftSet | undefined>();
	readonly #shared = new Map<string, SharedAddresses>();
	readonly #out = new Map<string, { readonly set: NftSet; readonly elements: NftElement[] }>();
	readonly #in = new Map<string, { readonly set: NftSet; readonly elements: NftElement[] }>();
	#ofNode: ReadonlyMap<string, { readonly set: NftSet; readonly elements: ReadonlyMap<string, NftElement> }> =
		new Map();
	#base: ReadonlyMap<string, string> = new Map();
	/** Chains that nobody uses any more, and since when. */
	readonly #lingering = new Map<string, number>();
	#nodeOfBase: NodeFacts | undefined;
	#setsChanged = true;

	constructor(family: IpFamily) {
		this.#family = family;
		this.words = familyWords(family);
		this.answeringFronts = new AnsweringFronts(this.words);
	}

	/** The chain is there as long as somebody uses it. */
	useChain({ name, isShared, rules, neighbours }: AnswerChain): void {
		const chain = this.#chains.get(name);
		if (chain !== undefined && isShared) {
			chain.users += 1;
			return;
		}
		if (!this.#chainsBefore.has(name)) this.#chainsBefore.set(name, chain);
		this.#chains.set(name, { users: (chain?.users ?? 0) + 1, rules: rules(), neighbours });
	}

	leaveChain(name: string): void {
		const chain = this.#chains.get(name);
		if (chain === undefined) throw new Error(`chain ${name} is not there`);
		chain.users -= 1;
		if (chain.users > 0) return;
		if (!this.#chainsBefore.has(name)) this.#chainsBefore.set(name, chain);
		this.#chains.delete(name);
	}

	useSet(set: NftSet): void {
		const used = this.#sets.get(set.name);
		if (!this.#setsBefore.has(set.name)) this.#setsBefore.set(set.name, used?.set);
		if (used === undefined) this.#sets.set(set.name, { set, users: 1 });
		else used.users += 1;
	}

	leaveSet({ name }: NftSet): void {
		const used = this.#sets.get(name);
		if (used === undefined) throw new Error(`set ${name} is not there`);
		if (!this.#setsBefore.has(name)) this.#setsBefore.set(name, used.set);
		used.users -= 1;
		if (used.users === 0) this.#sets.delete(name);
	}

	/** An element that only one front can have. */
	addElement(set: NftSet, element: NftElement): void {
		if (set.data === "verdict") this.#verdicts += 1;
		listIn(this.#in, set).push(element);
	}

	deleteElement(set: NftSet, element: NftElement): void {
		if (set.data === "verdict") this.#verdicts -= 1;
		listIn(this.#out, set).push({ key: element.key });
	}

	/** An address in a set that several fronts share; it leaves with the last of them. */
	useAddress(set: NftSet, address: string): void {
		let shared = this.#shared.get(set.name);
		if (shared === undefined) {
			shared = { set, users: new Map(), before: new Map() };
			this.#shared.set(set.name, shared);
		}
		const users = shared.users.get(address) ?? 0;
		if (users === 0 && !shared.before.has(address)) shared.before.set(address, false);
		shared.users.set(address, users + 1);
	}

	leaveAddress(set: NftSet, address: string): void {
		const shared = this.#shared.get(set.name);
		const users = shared?.users.get(address) ?? 0;
		if (shared === undefined || users === 0) throw new Error(`${address} is not in ${set.name}`);
		if (users > 1) shared.users.set(address, users - 1);
		else {
			shared.users.delete(address);
			if (!shared.before.has(address)) shared.before.set(address, true);
		}
	}

	/**
	 * All that must be done since the last time; a new table replaces what is there under its name. With the time, chains that fell out
	 * of use stay, empty, for `lingerMs`.
	 */
	finish(node: NodeFacts, nowMs?: number): readonly NftChange[] {
		const addedSets: NftSet[] = [];
		const deletedSets: NftSet[] = [];
		const addedChains: NftChange[] = [];
		const changedRules: NftChange[] = [];
		const flushed: NftChange[] = [];
		const deletedChains: NftChange[] = [];
		const unused: string[] = [];
		if (this.#isNew) addedSets.push(...standingSets(this.words));
		this.answeringFronts.finish(this);
		this.#finishSets(addedSets, deletedSets);
		this.#finishNode(node, addedSets, deletedSets);
		this.#finishShared();
		this.#finishBase(node, { addedChains, changedRules, flushed, deletedChains });
		for (const [name, was] of this.#chainsBefore) {
			const before = was?.rules;
			const now = this.#chains.get(name)?.rules;
			if (before === undefined && now !== undefined) {
				if (this.#spare.take(name)) continue;
				if (!this.#lingering.delete(name)) addedChains.push({ type: "addChain", chain: { name } });
				for (const rule of now) changedRules.push({ type: "addRule", chain: name, rule });
			} else if (before !== undefined && now === undefined) {
				if (was?.neighbours === undefined || !this.#spare.keeps(name, this.#verdicts)) unused.push(name);
			} else if (before !== undefined && now !== undefined && !equal(before, now)) {
				changedRules.push({ type: "flushChain", chain: name });
				for (const rule of now) changedRules.push({ type: "addRule", chain: name, rule });
			}
		}
		for (const name of [...unused, ...this.#spare.surplus(this.#verdicts)]) {
			flushed.push({ type: "flushChain", chain: name });
			if (nowMs === undefined) deletedChains.push({ type: "deleteChain", chain: name });
			else this.#lingering.set(name, nowMs);
		}
		for (const change of this.#spare.missing(this.#chains, this.#verdicts, this.#comingVerdicts()))
			if (change.type !== "addChain") changedRules.push(change);
			else if (!this.#lingering.delete(change.chain.name)) addedChains.push(change);
		for (const [name, sinceMs] of this.#lingering) {
			if (nowMs !== undefined && nowMs - sinceMs < lingerMs) continue;
			deletedChains.push({ type: "deleteChain", chain: name });
			this.#lingering.delete(name);
		}
		const changes: NftChange[] = this.#isNew
			? [{ type: "addTable" }, { type: "deleteTable" }, { type: "addTable" }]
			: [];
		for (const set of addedSets) changes.push({ type: "addSet", set });
		changes.push(...addedChains);
		for (const { set, elements } of this.#out.values()) changes.push({ type: "deleteElements", set, elements });
		changes.push(...changedRules);
		for (const { set, elements } of this.#in.values()) changes.push({ type: "addElements", set, elements });
		changes.push(...flushed, ...deletedChains);
		for (const { name } of deletedSets) changes.push({ type: "deleteSet", set: name });
		this.#chainsBefore.clear();
		this.#out.clear();
		this.#in.clear();
		this.#isNew = false;
		return changes;
	}

	#comingVerdicts(): number {
		let count = 0;
		for (const { set, elements } of this.#in.values()) if (set.data === "verdict") count += elements.length;
		return count;
	}

	#finishSets(added: NftSet[], deleted: NftSet[]): void {
		for (const [name, before] of this.#setsBefore) {
			const now = this.#sets.get(name)?.set;
			if (before === undefined && now !== undefined) added.push(now);
			if (before !== undefined && now === undefined) deleted.push(before);
			if ((before === undefined) !== (now === undefined)) this.#setsChanged = true;
		}
		this.#setsBefore.clear();
	}

	#finishNode(node: NodeFacts, added: NftSet[], deleted: NftSet[]): void {
		if (node === this.#nodeOfBase) return;
		const now = new Map(
			nodeSets(node, this.#family, this.words).map(({ set, elements }) => [
				set.name,
				{ set, elements: new Map(elements.map((element) => [element.key.join(" "), element])) },
			]),
		);
		for (const [name, { set, elements }] of this.#ofNode) {
			const kept = now.get(name);
			for (const [key, element] of elements) if (!kept?.elements.has(key)) this.deleteElement(set, element);
			if (kept === undefined) deleted.push(set);
		}
		for (const [name, { set, elements }] of now) {
			const before = this.#ofNode.get(name);
			if (before === undefined) added.push(set);
			for (const [key, element] of elements) if (!before?.elements.has(key)) this.addElement(set, element);
		}
		this.#ofNode = now;
	}

	#finishShared(): void {
		for (const { set, users, before } of this.#shared.values()) {
			for (const [address, was] of before) {
				const is = users.has(address);
				if (was === is) continue;
				const element = { key: set.key.map(() => address) };
				if (is) this.addElement(set, element);
				else this.deleteElement(set, element);
			}
			before.clear();
		}
	}

	#finishBase(
		node: NodeFacts,
		changes: Readonly<Record<"addedChains" | "changedRules" | "flushed" | "deletedChains", NftChange[]>>,
	): void {
		// What these chains say follows from the node and from which sets there are.
		if (node === this.#nodeOfBase && !this.#setsChanged) return;
		this.#nodeOfBase = node;
		this.#setsChanged = false;
		const sets = new Set([...standingSets(this.words).map(({ name }) => name), ...this.#sets.keys()]);
		const wanted = baseChains(node, this.#family, this.words, sets);
		const now = new Map<string, string>();
		for (const { chain, rules } of wanted) {
			const text = JSON.stringify(rules);
			now.set(chain.name, text);
			const before = this.#base.get(chain.name);
			if (before === text) continue;
			if (before === undefined) changes.addedChains.push({ type: "addChain", chain });
			else changes.changedRules.push({ type: "flushChain", chain: chain.name });
			for (const rule of rules) changes.changedRules.push({ type: "addRule", chain: chain.name, rule });
		}
		for (const name of this.#base.keys()) {
			if (now.has(name)) continue;
			changes.flushed.push({ type: "flushChain", chain: name });
			changes.deletedChains.push({ type: "deleteChain", chain: name });
		}
		this.#base = now;
	}
}

function listIn(
	lists: Map<string, { readonly set: NftSet; readonly elements: NftElement[] }>,
	set: NftSet,
): NftElement[] {
	const list = lists.get(set.name);
	if (list !== undefined) return list.elements;
	const elements: NftElement[] = [];
	lists.set(set.name, { set, elements });
	return elements;
}

function equal(a: readonly NftRule[], b: readonly NftRule[]): boolean {
	return a === b || JSON.stringify(a) === JSON.stringify(b);
}
