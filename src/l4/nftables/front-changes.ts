// How a table goes from one state of a front to the next. In: both states. Out: what it tells the table to add and to delete: only what
// differs.

import type { Backend } from "../balancer.ts";
import { sameBackend } from "../schedulers/slots-of.ts";
import { disjointRanges, oneSpelling } from "./address-range.ts";
import { clusterAddressesSet, hairpinSet } from "./base-chains.ts";
import { familyOf } from "./family-words.ts";
import { type Side, type SideChains, sideChains } from "./front-chains.ts";
import { endpointsMap, insideVerdictsMap, limitedSet, sourcesSet, verdictsMap } from "./front-place.ts";
import { type FrontState, insideSlotOffset, type SideState } from "./front-state.ts";
import type { NftElement, NftSet, NftVerdict } from "./ruleset.ts";
import type { TableState } from "./table-state.ts";

/** Both states are of the same place. */
export function changeFront(table: TableState, before: FrontState | undefined, now: FrontState | undefined): void {
	if (before === now) return;
	for (const side of ["outside", "inside"] as const) {
		changeChains(table, side, before, now);
		changeSlots(table, side, before, now);
	}
	changeHairpins(table, before, now);
	changeClusterAddress(table, before, now);
	changeSources(table, before, now);
	table.answeringFronts.change(before, now);
}

function changeChains(
	table: TableState,
	side: Side,
	before: FrontState | undefined,
	now: FrontState | undefined,
): void {
	const old = chainsOf(table, side, before);
	const next = chainsOf(table, side, now);
	for (const chain of next?.chains ?? []) table.useChain(chain);
	for (const set of next?.sets ?? []) table.useSet(set);
	for (const { name } of old?.chains ?? []) table.leaveChain(name);
	for (const set of old?.sets ?? []) table.leaveSet(set);
	const place = (now ?? before)?.place;
	if (place === undefined) return;
	const map =
		side === "outside" ? verdictsMap(place.lookup, table.words) : insideVerdictsMap(place.lookup, table.words);
	if (old !== undefined && next !== undefined && sameVerdict(old.verdict, next.verdict)) return;
	// The two maps that are always there need no counting.
	const counted = side === "inside" || (place.lookup !== "services" && place.lookup !== "node-ports");
	if (next !== undefined) {
		table.addElement(map, { key: place.key, data: next.verdict });
		if (counted) table.useSet(map);
	}
	if (old !== undefined) {
		table.deleteElement(map, { key: place.key });
		if (counted) table.leaveSet(map);
	}
}

function chainsOf(table: TableState, side: Side, front: FrontState | undefined): SideChains | undefined {
	const state = front?.[side];
	return front === undefined || state === undefined ? undefined : sideChains(front, side, state, table.words);
}

function sameVerdict(a: NftVerdict, b: NftVerdict): boolean {
	return a.type === b.type && (a.type !== "goto" || b.type !== "goto" || a.chain === b.chain);
}

function changeSlots(table: TableState, side: Side, before: FrontState | undefined, now: FrontState | undefined): void {
	const old = mappedSlots(before?.[side]);
	const next = mappedSlots(now?.[side]);
	if (old === next) return;
	const place = (now ?? before)?.place;
	if (place?.lookup !== "services" && place?.lookup !== "node-ports") return;
	const map = endpointsMap(place.lookup, table.words);
	const offset = side === "inside" ? insideSlotOffset : 0;
	for (let slot = 0; slot < Math.max(old.length, next.length); slot++) {
		const was = old[slot];
		const is = next[slot];
		if (was !== undefined && is !== undefined && sameBackend(was, is)) continue;
		const key = [...place.key, offset + slot];
		if (was !== undefined) table.deleteElement(map, { key });
		if (is !== undefined) table.addElement(map, { key, data: [is.address, is.port] });
	}
}

const noSlots: readonly Backend[] = [];

function mappedSlots(state: SideState | undefined): readonly Backend[] {
	return state?.type === "balance" && state.form !== "chains" ? state.slots : noSlots;
}

/** Connections that come back to where they started need the node's address as their source. */
function changeHairpins(table: TableState, before: FrontState | undefined, now: FrontState | undefined): void {
	const set: NftSet = { name: hairpinSet, key: [table.words.addressType, table.words.addressType] };
	change(
		localAddresses(before),
		localAddresses(now),
		(address) => table.useAddress(set, address),
		(address) => table.leaveAddress(set, address),
	);
}

const none: ReadonlySet<string> = new Set();

function localAddresses(front: FrontState | undefined): ReadonlySet<string> {
	let addresses: Set<string> | undefined;
	for (const state of [front?.outside, front?.inside]) {
		if (state?.type !== "balance") continue;
		for (const { local, address } of state.slots) {
			if (!local) continue;
			addresses ??= new Set();
			addresses.add(oneSpelling(address));
		}
	}
	return addresses ?? none;
}

function changeClusterAddress(table: TableState, before: FrontState | undefined, now: FrontState | undefined): void {
	const old = clusterAddress(before);
	const next = clusterAddress(now);
	if (old === next) return;
	const set: NftSet = { name: clusterAddressesSet, key: [table.words.addressType] };
	if (next !== undefined) table.useAddress(set, next);
	if (old !== undefined) table.leaveAddress(set, old);
}

function clusterAddress(front: FrontState | undefined): string | undefined {
	return front?.balancer.front.type === "clusterIP" ? oneSpelling(front.balancer.front.address) : undefined;
}

function changeSources(table: TableState, before: FrontState | undefined, now: FrontState | undefined): void {
	const place = (now ?? before)?.place;
	if (place === undefined) return;
	const old = allowedSources(before);
	const next = allowedSources(now);
	const limited = limitedSet(place.lookup, table.words);
	const sources = sourcesSet(place.lookup, table.words);
	if (next !== undefined && old === undefined) table.addElement(limited, { key: place.key });
	if (old !== undefined && next === undefined) table.deleteElement(limited, { key: place.key });
	if (next !== undefined) for (const set of [limited, sources]) table.useSet(set);
	if (old !== undefined) for (const set of [limited, sources]) table.leaveSet(set);
	const element = (range: string): NftElement => ({ key: [...place.key, range] });
	change(
		old ?? none,
		next ?? none,
		(range) => table.addElement(sources, element(range)),
		(range) => table.deleteElement(sources, element(range)),
	);
}

/** Undefined: everybody may come. */
function allowedSources(front: FrontState | undefined): ReadonlySet<string> | undefined {
	if (front?.balancer.sourceRanges === undefined) return undefined;
	const ranges = front.balancer.sourceRanges.filter((range) => familyOf(range) === front.place.family);
	return ranges.some((range) => range.endsWith("/0")) ? undefined : new Set(disjointRanges(ranges));
}

function change(
	before: ReadonlySet<string>,
	now: ReadonlySet<string>,
	add: (text: string) => void,
	remove: (text: string) => void,
): void {
	for (const text of now) if (!before.has(text)) add(text);
	for (const text of before) if (!now.has(text)) remove(text);
}
