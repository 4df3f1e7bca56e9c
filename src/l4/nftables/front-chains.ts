// The chains that answer: shared ones for ordinary fronts, own ones where a front needs a counter, a memory of clients, or a backend
// named in a rule. In: a front's state. Out: chains with their rules, dynamic sets, and the verdict that leads there.

import type { Backend } from "../balancer.ts";
import { hash32 } from "../schedulers/hash32.ts";
import { maglevSizes } from "../schedulers/maglev.ts";
import type { DrawnBy } from "../schedulers/slots-of.ts";
import type { FamilyWords } from "./family-words.ts";
import { endpointsMap, type FrontPlace, lookupKey } from "./front-place.ts";
import { type FrontState, type HiddenSource, insideSlotOffset, type SideState, type Spread } from "./front-state.ts";
import type { NftProtocols, NftRule, NftSelector, NftSet, NftStatement, NftVerdict } from "./ruleset.ts";

export type Side = "outside" | "inside";

export interface SideChains {
	readonly verdict: NftVerdict;
	readonly chains: readonly AnswerChain[];
	/** One for each backend that remembers its clients. */
	readonly sets: readonly NftSet[];
}

export interface AnswerChain {
	readonly name: string;
	/** The name says all: every front that uses this name means the same rules. */
	readonly isShared: boolean;
	/** Of a shared one: those that its fronts may want next, when endpoints come or go. */
	readonly neighbours?: () => readonly AnswerChain[];
	readonly rules: () => readonly NftRule[];
}

const noSets: readonly NftSet[] = [];

/** Constants: the same client meets the same slot on every node. */
const sourceSeed = 0x6b6d7368;
const maglevSeed = 0x6b6d6d67;

const allProtocols: NftProtocols = ["tcp", "udp", "sctp"];

export const rejectChain = "reject-it";
export const hideChains: Readonly<Record<Exclude<HiddenSource, "nobody">, string>> = {
	everybody: "hide-source",
	outsiders: "hide-outsiders",
};

export function sideChains(front: FrontState, side: Side, state: SideState, words: FamilyWords): SideChains {
	switch (state.type) {
		case "drop":
			return { verdict: { type: "drop" }, chains: [], sets: [] };
		case "reject":
			return { verdict: { type: "goto", chain: rejectChain }, chains: [], sets: [] };
		default: {
			if (state.form === "chains") return chainForEachBackend(front, side, state, words);
			const chain =
				state.form === "shared"
					? sharedChain(front, side, spreadOver(state), words)
					: counterChain(front, side, state, words);
			return { verdict: { type: "goto", chain: chain.name }, chains: [chain], sets: noSets };
		}
	}
}

const hidesWords: Readonly<Record<HiddenSource, string>> = {
	nobody: "",
	everybody: "-masquerade",
	outsiders: "-masquerade-outsiders",
};

/** What a shared chain knows of a spread: how many slots, not who stands there. */
type SpreadOver = Pick<Spread, "drawnBy" | "hides"> & { readonly slots: number };

function spreadOver({ drawnBy, hides, slots }: Spread): SpreadOver {
	return { drawnBy, hides, slots: slots.length };
}

function counterChain(front: FrontState, side: Side, state: Spread, words: FamilyWords): AnswerChain {
	const rules = () => mapRules(front.place, side, spreadOver(state), words, front.balancer.owner);
	return { name: ownName(front, side), isShared: false, rules };
}

/** So many more or fewer slots than those that are used have a chain ready. */
const neighbourhood = 16;

function sharedChain(
	{ place }: { readonly place: FrontPlace },
	side: Side,
	spread: SpreadOver,
	words: FamilyWords,
): AnswerChain {
	const { drawnBy, slots, hides } = spread;
	const node = place.lookup === "node-ports" ? "node-" : "";
	const inside = side === "inside" ? "-inside" : "";
	return {
		name: `${node}${drawnBy}-${slots}${inside}${hidesWords[hides]}`,
		isShared: true,
		rules: () => mapRules(place, side, spread, words, undefined),
		neighbours: () => {
			const first = Math.max(1, slots - neighbourhood);
			const counts =
				drawnBy === "maglev"
					? maglevSizes
					: Array.from({ length: slots + neighbourhood - first + 1 }, (_, index) => first + index);
			return counts.map((count) => sharedChain({ place }, side, { ...spread, slots: count }, words));
		},
	};
}

function mapRules(
	{ lookup }: FrontPlace,
	side: Side,
	{ drawnBy, slots, hides }: SpreadOver,
	words: FamilyWords,
	owner: string | undefined,
): readonly NftRule[] {
	if (lookup !== "services" && lookup !== "node-ports") throw new Error(`${lookup} has no map of endpoints`);
	const drawn = slotSelector(drawnBy, slots, side === "inside" ? insideSlotOffset : 0, words);
	const dnat: NftStatement = {
		type: "dnatMap",
		protocol: allProtocols,
		key: [...lookupKey(lookup, words), drawn],
		map: endpointsMap(lookup, words).name,
	};
	return [...hideRules(hides), ruleOf([dnat], owner)];
}

function chainForEachBackend(front: FrontState, side: Side, state: Spread, words: FamilyWords): SideChains {
	const { balancer } = front;
	const main = ownName(front, side);
	const chainOf = new Map<string, { readonly chain: string; readonly backend: Backend }>();
	for (const backend of state.slots) {
		const key = endpointText(backend);
		if (!chainOf.has(key)) chainOf.set(key, { chain: `${main}-${hashText(key)}`, backend });
	}
	const sets: NftSet[] = [];
	const chains: AnswerChain[] = [];
	const remembered: NftRule[] = [];
	for (const [key, { chain, backend }] of chainOf) {
		const rules: NftRule[] = [...hideRules(state.hides)];
		if (balancer.affinity !== undefined) {
			const set = clientsSet(front, key, balancer.affinity.timeoutSec, words);
			sets.push(set);
			remembered.push({
				statements: [
					{ type: "in", key: [words.source], set: set.name },
					{ type: "verdict", verdict: { type: "goto", chain } },
				],
			});
			rules.push({ statements: [{ type: "update", key: [words.source], set: set.name }] });
		}
		rules.push(ruleOf([dnatTo(front, backend)], `${balancer.owner} to ${key}`));
		chains.push({ name: chain, isShared: false, rules: () => rules });
	}
	const verdicts: NftVerdict[] = state.slots.map((backend) => {
		const chain = chainOf.get(endpointText(backend))?.chain ?? rejectChain;
		return { type: "goto", chain };
	});
	// Memories come in the order of their names: the order of slots may differ from node to node, and it decides nothing.
	remembered.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
	const pick: NftStatement = { type: "pick", by: slotSelector(state.drawnBy, state.slots.length, 0, words), verdicts };
	chains.push({ name: main, isShared: false, rules: () => [...remembered, ruleOf([pick], balancer.owner)] });
	return { verdict: { type: "goto", chain: main }, chains, sets };
}

function dnatTo({ balancer }: FrontState, { address, port }: Backend): NftStatement {
	return { type: "dnat", protocol: [balancer.protocol], address, port };
}

/** All fronts of one port of a service share what they remember, as with kube-proxy: a client keeps its backend whichever way it comes. */
function clientsSet(front: FrontState, endpoint: string, timeoutSec: number, words: FamilyWords): NftSet {
	const { owner, protocol } = front.balancer;
	return {
		name: `clients-${slug(owner)}-${hashText(`${owner} ${protocol} ${timeoutSec} ${endpoint}`)}`,
		key: [words.addressType],
		// The kernel remembers 65,535 clients then, and what is full takes no more. Told so, it would keep 2 MB for each set beforehand.
		dynamic: { timeoutSec },
	};
}

function hideRules(hides: HiddenSource): readonly NftRule[] {
	if (hides === "nobody") return [];
	return [{ statements: [{ type: "verdict", verdict: { type: "jump", chain: hideChains[hides] } }] }];
}

function slotSelector(drawnBy: DrawnBy, mod: number, offset: number, words: FamilyWords): NftSelector {
	const from = offset === 0 ? {} : { offset };
	switch (drawnBy) {
		case "random":
			return { numgen: "random", mod, ...from };
		case "rr":
		case "wrr":
			return { numgen: "inc", mod, ...from };
		case "source":
			return { jhash: [words.source], mod, seed: sourceSeed, ...from };
		case "maglev":
			return { jhash: [words.source, "th sport"], mod, seed: maglevSeed, ...from };
		default:
			return drawnBy satisfies never;
	}
}

function ownName(front: FrontState, side: Side): string {
	const name = `${slug(front.balancer.owner)}-${hashText(`${front.balancer.owner} ${front.place.id}`)}`;
	return side === "inside" ? `${name}-inside` : name;
}

function ruleOf(statements: readonly NftStatement[], comment: string | undefined): NftRule {
	return comment === undefined ? { statements } : { statements, comment };
}

function endpointText({ address, port }: Backend): string {
	return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Readable part of a name; begins with a letter, as names must. */
function slug(text: string): string {
	return `svc-${text
		.toLowerCase()
		.replaceAll(/[^a-z0-9]+/g, "-")
		.replace(/^-|-$/g, "")
		.slice(0, 60)}`;
}

/** 64 bits: no two of a cluster's fronts share one by accident. */
function hashText(text: string): string {
	return hash32(text, 1).toString(36) + hash32(text, 2).toString(36).padStart(7, "0");
}
