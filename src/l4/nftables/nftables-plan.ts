// The tables of a node, as they should be and as they were last handed out. In: balancers by owner, facts of the node. Out: the changes
// that lead from the one to the other, and the whole.

import type { Balancer, IpFamily } from "../balancer.ts";
import { type Claim, compareClaims } from "../claim-order.ts";
import type { NodeFacts } from "../node-facts.ts";
import type { NftTableChange } from "./change.ts";
import { changeFront } from "./front-changes.ts";
import { type FrontPlace, placeOf } from "./front-place.ts";
import { type FrontState, planFront } from "./front-state.ts";
import { type PlanProblem, problemsOf } from "./plan-problem.ts";
import type { NftTableContents } from "./ruleset.ts";
import { tableContents } from "./table-contents.ts";
import { TableState } from "./table-state.ts";

interface PlacedClaim extends Claim {
	readonly place: FrontPlace;
}

interface FrontEntry {
	/** The first one answers. */
	readonly claims: PlacedClaim[];
	/** What the kernel was told. */
	told: FrontState | undefined;
}

export class NftablesPlan {
	#node: NodeFacts;
	readonly #owners = new Map<string, readonly Balancer[]>();
	readonly #fronts = new Map<string, FrontEntry>();
	readonly #touched = new Set<string>();
	/** Fronts whose problems are not known yet, and those of others that have some. */
	readonly #unchecked = new Set<string>();
	readonly #problems = new Map<string, readonly PlanProblem[]>();
	readonly #tables = new Map<IpFamily, TableState>();

	constructor(node: NodeFacts) {
		this.#node = node;
	}

	/** All balancers of one owner, in place of those it had. */
	set(owner: string, balancers: readonly Balancer[]): void {
		const before = this.#owners.get(owner) ?? [];
		if (before === balancers) return;
		this.#withdraw(owner, before);
		if (balancers.length === 0) this.#owners.delete(owner);
		else this.#owners.set(owner, balancers);
		for (const balancer of balancers) {
			const place = placeOf(balancer);
			let entry = this.#fronts.get(place.id);
			if (entry === undefined) {
				entry = { claims: [], told: undefined };
				this.#fronts.set(place.id, entry);
			}
			const claim: PlacedClaim = { owner, balancer, place };
			const at = entry.claims.findIndex((other) => compareClaims(other, claim) > 0);
			entry.claims.splice(at < 0 ? entry.claims.length : at, 0, claim);
			this.#touch(place.id);
		}
	}

	remove(owner: string): void {
		this.set(owner, []);
	}

	setNode(node: NodeFacts): void {
		this.#node = node;
		for (const id of this.#fronts.keys()) this.#touched.add(id);
	}

	/**
	 * Since the last call, in order, for one transaction; the first call builds the tables, in place of any of the same name. Chains that
	 * fell out of use are deleted at once; given the time (monotonic), by the first call a second later: kernels before 6.2 need that.
	 */
	takeChanges(nowMs?: number): readonly NftTableChange[] {
		const changes: NftTableChange[] = this.#withdrawFamilies();
		for (const family of this.#node.families)
			if (!this.#tables.has(family)) this.#tables.set(family, new TableState(family));
		for (const id of this.#touched) {
			const entry = this.#fronts.get(id);
			if (entry === undefined) continue;
			const now = this.#next(entry);
			const place = (now ?? entry.told)?.place;
			const table = place && this.#tables.get(place.family);
			if (table !== undefined) {
				changeFront(table, entry.told, now);
				entry.told = now;
			}
			if (entry.claims.length === 0 && entry.told === undefined) this.#fronts.delete(id);
		}
		this.#touched.clear();
		for (const [, table] of this.#tables)
			for (const change of table.finish(this.#node, nowMs)) changes.push({ table: table.words.table, change });
		return changes;
	}

	/** The whole as it is after the next changes. */
	ruleset(): readonly NftTableContents[] {
		return this.#node.families.map((family) => {
			const table = new TableState(family);
			for (const [id, entry] of this.#fronts) {
				const now = this.#touched.has(id) ? this.#next(entry) : entry.told;
				if (now?.place.family === family) changeFront(table, undefined, now);
			}
			return tableContents(table.words.table, table.finish(this.#node));
		});
	}

	/** What of the balancers is not done, or not as asked. */
	problems(): readonly PlanProblem[] {
		for (const id of this.#unchecked) {
			const found = problemsOfFront(this.#fronts.get(id)?.claims ?? []);
			if (found.length > 0) this.#problems.set(id, found);
			else this.#problems.delete(id);
		}
		this.#unchecked.clear();
		return [...this.#problems.values()].flat();
	}

	#touch(front: string): void {
		this.#touched.add(front);
		this.#unchecked.add(front);
	}

	#next({ claims, told }: FrontEntry): FrontState | undefined {
		const claim = claims[0];
		return claim === undefined ? undefined : planFront(claim.balancer, claim.place, this.#node, told);
	}

	#withdraw(owner: string, balancers: readonly Balancer[]): void {
		for (const balancer of balancers) {
			const { id } = placeOf(balancer);
			const claims = this.#fronts.get(id)?.claims ?? [];
			const at = claims.findIndex((claim) => claim.owner === owner);
			if (at >= 0) claims.splice(at, 1);
			this.#touch(id);
		}
	}

	/** Tables of families that the node no longer has. */
	#withdrawFamilies(): NftTableChange[] {
		const changes: NftTableChange[] = [];
		for (const [family, { words }] of this.#tables) {
			if (this.#node.families.includes(family)) continue;
			this.#tables.delete(family);
			changes.push({ table: words.table, change: { type: "deleteTable" } });
			for (const [id, entry] of this.#fronts) {
				if (entry.told?.place.family !== family) continue;
				entry.told = undefined;
				this.#touched.add(id);
			}
		}
		return changes;
	}
}

function problemsOfFront([winner, ...losers]: readonly Claim[]): readonly PlanProblem[] {
	if (winner === undefined) return [];
	return [
		...problemsOf(winner.balancer),
		...losers.map(({ balancer: { owner } }) => ({
			owner,
			message: `${winner.balancer.owner} has the same address, protocol and port, and comes first`,
		})),
	];
}
