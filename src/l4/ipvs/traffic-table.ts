// The nftables table beside IPVS, of one family. In: elements and chains as balancers come and go. Out: the changes since the last time;
// the first time the whole table, in place of any of its name.

import type { IpFamily } from "../balancer.ts";
import type { NftChange } from "../nftables/change.ts";
import type { NftElement, NftRule, NftSet } from "../nftables/ruleset.ts";
import type { NodeFacts } from "../node-facts.ts";
import type { BalancerParts } from "./balancer-parts.ts";
import { podElements, trafficChains } from "./traffic-chains.ts";
import { trafficSets } from "./traffic-sets.ts";

interface Used<Thing> {
	readonly thing: Thing;
	users: number;
}

interface SetElement {
	readonly set: NftSet;
	readonly element: NftElement;
}

interface OwnChain {
	readonly name: string;
	readonly rules: readonly NftRule[];
}

export class TrafficTable {
	readonly #family: IpFamily;
	/** By set, key and data: two verdicts of one key may meet in one turn, the one leaving, the other coming. */
	readonly #elements = new Map<string, Used<SetElement>>();
	readonly #chains = new Map<string, Used<OwnChain>>();
	#toldElements = new Map<string, SetElement>();
	#toldChains = new Map<string, OwnChain>();
	readonly #touchedElements = new Set<string>();
	readonly #touchedChains = new Set<string>();
	/** The common chains and the pods' ranges as they were told. */
	#toldCommon: string | undefined;

	constructor(family: IpFamily) {
		this.#family = family;
	}

	use(parts: BalancerParts): void {
		for (const thing of parts.elements) take(this.#elements, this.#touchedElements, elementId(thing), thing);
		for (const thing of parts.chains) take(this.#chains, this.#touchedChains, chainId(thing), thing);
	}

	leave(parts: BalancerParts): void {
		for (const thing of parts.elements) giveBack(this.#elements, this.#touchedElements, elementId(thing));
		for (const thing of parts.chains) giveBack(this.#chains, this.#touchedChains, chainId(thing));
	}

	/** What the kernel has is not known any more: all is told anew. */
	forget(): void {
		this.#toldCommon = undefined;
	}

	takeChanges(node: NodeFacts): readonly NftChange[] {
		const common = JSON.stringify([trafficChains(node, this.#family), podElements(node, this.#family)]);
		if (common !== this.#toldCommon) return this.#whole(node, common);
		const changes: NftChange[] = [];
		const gone: OwnChain[] = [];
		for (const id of this.#touchedChains) {
			const now = this.#chains.get(id)?.thing;
			const told = this.#toldChains.get(id);
			if (now && !told) {
				changes.push(...chainChanges(now));
				this.#toldChains.set(id, now);
			} else if (told && !now) {
				gone.push(told);
				this.#toldChains.delete(id);
			}
		}
		const out: SetElement[] = [];
		const come: SetElement[] = [];
		for (const id of this.#touchedElements) {
			const now = this.#elements.get(id)?.thing;
			const told = this.#toldElements.get(id);
			if (now && !told) {
				come.push(now);
				this.#toldElements.set(id, now);
			} else if (told && !now) {
				out.push(told);
				this.#toldElements.delete(id);
			}
		}
		// One transaction: nobody sees a key between its two verdicts.
		for (const [set, elements] of bySet(out))
			changes.push({ type: "deleteElements", set, elements: elements.map(({ key }) => ({ key })) });
		for (const [set, elements] of bySet(come)) changes.push({ type: "addElements", set, elements });
		for (const { name } of gone)
			changes.push({ type: "flushChain", chain: name }, { type: "deleteChain", chain: name });
		this.#touchedChains.clear();
		this.#touchedElements.clear();
		return changes;
	}

	#whole(node: NodeFacts, common: string): readonly NftChange[] {
		const changes = this.contents(node);
		this.#toldCommon = common;
		this.#toldElements = new Map([...this.#elements].map(([id, { thing }]) => [id, thing]));
		this.#toldChains = new Map([...this.#chains].map(([id, { thing }]) => [id, thing]));
		this.#touchedChains.clear();
		this.#touchedElements.clear();
		return [{ type: "addTable" }, { type: "deleteTable" }, { type: "addTable" }, ...changes];
	}

	/** The changes that build it out of nothing. */
	contents(node: NodeFacts): readonly NftChange[] {
		const sets = trafficSets(this.#family);
		const standing = [sets.fronts, sets.inside, sets.limited, sets.sources, sets.addresses, sets.hairpin, sets.pods];
		const chains = trafficChains(node, this.#family);
		const pods = podElements(node, this.#family);
		return [
			...standing.map((set) => ({ type: "addSet" as const, set })),
			...chains.map(({ chain }) => ({ type: "addChain" as const, chain })),
			...chains.flatMap(({ chain, rules }) =>
				rules.map((rule) => ({ type: "addRule" as const, chain: chain.name, rule })),
			),
			...[...this.#chains.values()].flatMap(({ thing }) => chainChanges(thing)),
			...(pods.length > 0 ? [{ type: "addElements" as const, set: sets.pods, elements: pods }] : []),
			...[...bySet([...this.#elements.values()].map(({ thing }) => thing))].map(([set, elements]) => ({
				type: "addElements" as const,
				set,
				elements,
			})),
		];
	}
}

const elementId = ({ set, element }: SetElement): string =>
	`${set.name} ${element.key.join(" ")} ${element.data ? JSON.stringify(element.data) : ""}`;
const chainId = ({ name, rules }: OwnChain): string => `${name} ${JSON.stringify(rules)}`;

function take<Thing>(used: Map<string, Used<Thing>>, touched: Set<string>, id: string, thing: Thing): void {
	touched.add(id);
	const known = used.get(id);
	if (known) known.users += 1;
	else used.set(id, { thing, users: 1 });
}

function giveBack<Thing>(used: Map<string, Used<Thing>>, touched: Set<string>, id: string): void {
	touched.add(id);
	const known = used.get(id);
	if (!known) throw new Error(`${id} is not in use`);
	known.users -= 1;
	if (known.users === 0) used.delete(id);
}

const chainChanges = ({ name, rules }: OwnChain): readonly NftChange[] => [
	{ type: "addChain", chain: { name } },
	...rules.map((rule) => ({ type: "addRule" as const, chain: name, rule })),
];

function bySet(things: readonly SetElement[]): ReadonlyMap<NftSet, readonly NftElement[]> {
	const found = new Map<NftSet, NftElement[]>();
	for (const { set, element } of things) {
		const list = found.get(set);
		if (list) list.push(element);
		else found.set(set, [element]);
	}
	return found;
}
