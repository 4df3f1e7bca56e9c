// Which front an endpoint answers for, where a hash chooses: such connections go on through another node than the one they began
// with, and there the endpoint's packet may come before the client's. In: fronts that come and leave. Out: the elements of the map that
// gives such packets the front's address as their source, of the set of endpoints whose packets do not tell their front, and of the
// set of both.

import type { Backend } from "../balancer.ts";
import { oneSpelling } from "./address-range.ts";
import type { FamilyWords } from "./family-words.ts";
import type { FrontState, SideState } from "./front-state.ts";
import type { NftElement, NftSet, NftValue } from "./ruleset.ts";

interface AnsweredFront {
	readonly address: NftValue;
	readonly port: NftValue;
	/** A cluster address is balanced on the client's own machine and moves with nobody: others come first. */
	readonly moves: boolean;
}

interface Endpoint {
	readonly key: readonly NftValue[];
	/** By the ids of their places. */
	readonly fronts: Map<string, AnsweredFront>;
	/** What the kernel has. */
	told: Told | undefined;
}

interface Told {
	readonly set: NftSet;
	readonly element: NftElement;
}

/** What a table does with the elements. */
export interface ElementOrders {
	addElement(set: NftSet, element: NftElement): void;
	deleteElement(set: NftSet, element: NftElement): void;
	useSet(set: NftSet): void;
	leaveSet(set: NftSet): void;
}

/** Endpoint -> the front it answers for. */
export function frontsMap(words: FamilyWords): NftSet {
	return {
		name: "fronts",
		key: [words.addressType, "inet_service"],
		data: [words.addressType, "inet_service"],
	};
}

/** Endpoints of several fronts. */
export function severalFrontsSet(words: FamilyWords): NftSet {
	return { name: "several-fronts", key: [words.addressType, "inet_service"] };
}

/** All of them; a rule cannot ask whether a map has an element. */
export function answeringSet(words: FamilyWords): NftSet {
	return { name: "answering", key: [words.addressType, "inet_service"] };
}

export class AnsweringFronts {
	readonly #words: FamilyWords;
	/** Together, so that no rule changes when an endpoint's second front comes. */
	readonly #sets: readonly NftSet[];
	readonly #endpoints = new Map<string, Endpoint>();
	readonly #touched = new Set<string>();

	constructor(words: FamilyWords) {
		this.#words = words;
		this.#sets = [answeringSet(words), frontsMap(words), severalFrontsSet(words)];
	}

	/** Both states are of the same place. */
	change(before: FrontState | undefined, now: FrontState | undefined): void {
		const old = answeringSlots(before);
		const next = answeringSlots(now);
		const isOther = before?.balancer.front.type !== now?.balancer.front.type;
		if (old === next && !isOther) return;
		const leaving = endpointsOf(old);
		const coming = endpointsOf(next);
		for (const [id, backend] of coming)
			if (now !== undefined && (isOther || !leaving.has(id))) this.#come(id, backend, now);
		for (const id of leaving.keys()) if (before !== undefined && !coming.has(id)) this.#leave(id, before);
	}

	/** What differs from the last time. */
	finish(orders: ElementOrders): void {
		for (const id of this.#touched) {
			const endpoint = this.#endpoints.get(id);
			if (endpoint === undefined) continue;
			const { told } = endpoint;
			const now = this.#telling(endpoint);
			if (endpoint.fronts.size === 0) this.#endpoints.delete(id);
			if (JSON.stringify(told) === JSON.stringify(now)) continue;
			endpoint.told = now;
			const any = { set: answeringSet(this.#words), element: { key: endpoint.key } };
			if (told === undefined) {
				for (const set of this.#sets) orders.useSet(set);
				orders.addElement(any.set, any.element);
			}
			if (now !== undefined) orders.addElement(now.set, now.element);
			if (told !== undefined) orders.deleteElement(told.set, told.element);
			if (now === undefined) {
				orders.deleteElement(any.set, any.element);
				for (const set of this.#sets) orders.leaveSet(set);
			}
		}
		this.#touched.clear();
	}

	#come(id: string, { address, port }: Backend, { balancer, place }: FrontState): void {
		let endpoint = this.#endpoints.get(id);
		if (endpoint === undefined) {
			endpoint = { key: [oneSpelling(address), port], fronts: new Map(), told: undefined };
			this.#endpoints.set(id, endpoint);
		}
		const [frontAddress = "", , frontPort = 0] = place.key;
		endpoint.fronts.set(place.id, {
			address: frontAddress,
			port: frontPort,
			moves: balancer.front.type !== "clusterIP",
		});
		this.#touched.add(id);
	}

	#leave(id: string, { place }: FrontState): void {
		this.#endpoints.get(id)?.fronts.delete(place.id);
		this.#touched.add(id);
	}

	#telling({ key, fronts }: Endpoint): Told | undefined {
		const all = [...fronts.values()];
		const moving = all.filter(({ moves }) => moves);
		const [only, ...others] = moving.length > 0 ? moving : all;
		if (only === undefined) return undefined;
		return others.length > 0
			? { set: severalFrontsSet(this.#words), element: { key } }
			: { set: frontsMap(this.#words), element: { key, data: [only.address, only.port] } };
	}
}

const noSlots: readonly Backend[] = [];

/** Of a front whose connections another node leads to the same endpoint. Node ports are not: their address is the node's own. */
function answeringSlots(front: FrontState | undefined): readonly Backend[] {
	const state: SideState | undefined = front?.outside;
	if (state?.type !== "balance" || state.form !== "shared") return noSlots;
	if (front?.place.lookup !== "services" || front.balancer.protocol !== "tcp") return noSlots;
	// A hidden source: endpoints answer the node that hid it, and nobody else.
	if (state.hides === "everybody") return noSlots;
	return state.drawnBy === "maglev" || state.drawnBy === "source" ? state.slots : noSlots;
}

/** Those on this node answer clients whose own machine balances: it saw the connection begin. */
function endpointsOf(slots: readonly Backend[]): ReadonlyMap<string, Backend> {
	const endpoints = new Map<string, Backend>();
	const seen = new Set<Backend>();
	for (const backend of slots) {
		if (backend.local || seen.has(backend)) continue;
		seen.add(backend);
		endpoints.set(`${oneSpelling(backend.address)} ${backend.port}`, backend);
	}
	return endpoints;
}
