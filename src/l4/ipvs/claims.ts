// Who wants which front. In: balancers by owner. Out: the parts that come and go; where two owners want the same front, the one that
// comes first has it, as in the other backend, and the other is told.

import type { Balancer } from "../balancer.ts";
import { type Claim, compareClaims } from "../claim-order.ts";
import { placeOf } from "../nftables/front-place.ts";
import type { PlanProblem } from "../nftables/plan-problem.ts";
import type { NodeFacts } from "../node-facts.ts";
import { type BalancerParts, balancerParts, type WantedServer } from "./balancer-parts.ts";
import type { InsideMarks } from "./inside-marks.ts";

interface Front {
	/** The first one answers. */
	readonly claims: Claim[];
	/** Of the first. */
	parts: BalancerParts | undefined;
	of: Balancer | undefined;
}

/** IPVS looks at a mark alone, whatever the protocol and the port. */
function frontId(balancer: Balancer): string {
	const { front } = balancer;
	return front.type === "mark" ? `${front.family} mark ${front.mark}` : placeOf(balancer).id;
}

export class Claims {
	readonly #owners = new Map<string, readonly Balancer[]>();
	readonly #fronts = new Map<string, Front>();
	readonly #servers = new Map<string, { readonly wanted: WantedServer; readonly front: string }>();

	set(
		owner: string,
		balancers: readonly Balancer[],
		node: NodeFacts,
		marks: InsideMarks,
	): { readonly came: readonly BalancerParts[]; readonly went: readonly BalancerParts[] } {
		const touched = new Set<string>();
		for (const balancer of this.#owners.get(owner) ?? []) {
			const id = frontId(balancer);
			const claims = this.#fronts.get(id)?.claims;
			const at = claims?.findIndex((claim) => claim.owner === owner) ?? -1;
			if (at >= 0) claims?.splice(at, 1);
			touched.add(id);
		}
		if (balancers.length > 0) this.#owners.set(owner, balancers);
		else this.#owners.delete(owner);
		for (const balancer of balancers) {
			const id = frontId(balancer);
			const front = this.#fronts.get(id) ?? { claims: [], parts: undefined, of: undefined };
			this.#fronts.set(id, front);
			const claim: Claim = { owner, balancer };
			const at = front.claims.findIndex((other) => compareClaims(other, claim) > 0);
			front.claims.splice(at < 0 ? front.claims.length : at, 0, claim);
			touched.add(id);
		}
		const came: BalancerParts[] = [];
		const went: BalancerParts[] = [];
		for (const id of touched) this.#settle(id, node, marks, came, went);
		return { came, went };
	}

	server(name: string): WantedServer | undefined {
		return this.#servers.get(name)?.wanted;
	}

	names(): string[] {
		return [...this.#servers.keys()];
	}

	ownerOf(name: string): string | undefined {
		const front = this.#servers.get(name)?.front;
		return front === undefined ? undefined : this.#fronts.get(front)?.of?.owner;
	}

	problems(): readonly PlanProblem[] {
		const problems: PlanProblem[] = [];
		for (const { claims, parts } of this.#fronts.values()) {
			problems.push(...(parts?.problems ?? []));
			for (const { balancer } of claims.slice(1)) {
				const message = `${claims[0]?.balancer.owner} has the same address, protocol and port, and comes first`;
				problems.push({ owner: balancer.owner, message });
			}
		}
		return problems;
	}

	#settle(id: string, node: NodeFacts, marks: InsideMarks, came: BalancerParts[], went: BalancerParts[]): void {
		const front = this.#fronts.get(id);
		if (!front) return;
		const winner = front.claims[0]?.balancer;
		if (front.parts && winner === front.of) return;
		if (front.parts) {
			went.push(front.parts);
			for (const name of front.parts.servers.keys()) this.#servers.delete(name);
		}
		front.of = winner;
		front.parts = undefined;
		if (!winner) {
			marks.giveBack(id);
			this.#fronts.delete(id);
			return;
		}
		if (winner.inside === undefined) marks.giveBack(id);
		front.parts = balancerParts(winner, node, () => marks.take(id));
		came.push(front.parts);
		for (const [name, wanted] of front.parts.servers) this.#servers.set(name, { wanted, front: id });
	}
}
