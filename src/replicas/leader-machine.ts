// Who of several control planes takes writes. In: whether this one owns the virtual IP (VRRP decides that), what the others say of
// themselves, and that what they know has been gathered. Out: to gather, to lead in a new epoch, to stop. Between two owners that
// hear each other the one with the higher epoch leads, until VRRP leaves one of them.

import { newerRevision, nextEpoch, type Revision } from "../model/revision.ts";

export interface LeaderState {
	/** VRRP gave it the virtual IP. */
	readonly isOwner: boolean;
	readonly role: "follower" | "gathering" | "leader";
	/** The own epoch, while it leads. */
	readonly epoch: number;
	/** Others that say that they lead -> their epoch. */
	readonly others: ReadonlyMap<string, number>;
}

export type LeaderEvent =
	| { readonly type: "ownerChanged"; readonly isOwner: boolean }
	/** `epoch`: undefined when it does not say that it leads. */
	| { readonly type: "peerSaid"; readonly id: string; readonly epoch: number | undefined }
	| { readonly type: "peerGone"; readonly id: string }
	/** Another replica knows of this epoch, from a leader that cannot be heard any more. */
	| { readonly type: "epochHeard"; readonly epoch: number }
	/** What the reachable others know was taken over; `newest` is the newest of all. */
	| { readonly type: "gathered"; readonly newest: Revision; readonly wallMs: number };

export type LeaderAction =
	/** Ask the others for what they know, then say `gathered`. */
	{ readonly type: "gather" } | { readonly type: "lead"; readonly from: Revision } | { readonly type: "follow" };

export interface LeaderStep {
	readonly state: LeaderState;
	readonly actions: readonly LeaderAction[];
}

export const initialLeaderState: LeaderState = { isOwner: false, role: "follower", epoch: 0, others: new Map() };

/** The one that takes writes, as far as this one knows: `self`, another's id, or nobody. */
export function leaderOf({ role, others }: LeaderState, self: string): string | undefined {
	if (role === "leader") return self;
	return [...others].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0]?.[0];
}

export function stepLeader(state: LeaderState, event: LeaderEvent): LeaderStep {
	switch (event.type) {
		case "ownerChanged":
			return settle({ ...state, isOwner: event.isOwner });
		case "peerSaid": {
			if (state.others.get(event.id) === event.epoch) return { state, actions: [] };
			const others = new Map(state.others);
			if (event.epoch === undefined) others.delete(event.id);
			else others.set(event.id, event.epoch);
			return settle({ ...state, others });
		}
		case "peerGone": {
			if (!state.others.has(event.id)) return { state, actions: [] };
			const others = new Map(state.others);
			others.delete(event.id);
			return settle({ ...state, others });
		}
		case "epochHeard":
			if (state.role !== "leader" || event.epoch <= state.epoch) return { state, actions: [] };
			return { state: { ...state, role: "gathering", epoch: 0 }, actions: [{ type: "follow" }, { type: "gather" }] };
		case "gathered": {
			if (state.role !== "gathering") return { state, actions: [] };
			const known = [...state.others.values()].reduce(
				(newest, epoch) => newerRevision(newest, { epoch, counter: 0 }),
				event.newest,
			);
			const from = nextEpoch(known, event.wallMs);
			return { state: { ...state, role: "leader", epoch: from.epoch }, actions: [{ type: "lead", from }] };
		}
		default:
			return event satisfies never;
	}
}

function settle(state: LeaderState): LeaderStep {
	const isOutranked = [...state.others.values()].some((epoch) => state.role === "leader" && epoch > state.epoch);
	if (state.role !== "follower" && (!state.isOwner || isOutranked))
		return { state: { ...state, role: "follower", epoch: 0 }, actions: [{ type: "follow" }] };
	// Another leader that can be heard is about to hear this owner's adverts and go.
	if (state.role === "follower" && state.isOwner && state.others.size === 0)
		return { state: { ...state, role: "gathering" }, actions: [{ type: "gather" }] };
	return { state, actions: [] };
}
