// What goes into and comes out of the machine that lets a lease advise one virtual router. All times are microseconds of a
// monotonic clock of this node.

import type { InstanceRole } from "../vrrp/instance-state.ts";
import type { LeaseClaim, LeaseOutcome, StoredLease } from "./lease-store.ts";

export interface ElectionConfig {
	/** The node's name. */
	readonly identity: string;
	/** So long without a renewal, and the lease counts as free. Whole seconds. */
	readonly durationMs: number;
	/** Most by which a claim is put off. 0: the lease is only kept and shown. */
	readonly maxDelayMs: number;
	/** Between two looks at a lease that somebody else holds. */
	readonly retryMs: number;
	/** The store counts as out of reach then. */
	readonly operationTimeoutMs: number;
	/** Lease and VRRP may name different nodes for so long. */
	readonly disagreeAfterMs: number;
	readonly advertIntervalMs: number;
	/** Who does not hold the lease does not claim, and lets go. */
	readonly decides: boolean;
	/** Of one that decides: the owner lets go when it cannot renew it in time. */
	readonly releasesWhenUnreachable: boolean;
}

export interface ElectionState {
	readonly role: InstanceRole;
	/** Written into the lease. */
	readonly reason: string;
	/** Where own adverts come from. */
	readonly address: string;
	/** Since this node may claim; undefined: none was heard, which at a start may mean that the network is split. */
	readonly heardMaster: { readonly source: string; readonly atUs: number } | undefined;
	/** As a candidate it does not take the lease earlier: the one with the higher priority goes first. */
	readonly campaignFromUs: number;
	readonly observed: ObservedLease | undefined;
	readonly operation: LeaseOperation | undefined;
	readonly lastId: number;
	/** Something changed while an operation was under way. */
	readonly again: boolean;
	/** The last operation failed: what is stored may be something else by now. */
	readonly stale: boolean;
	/** For the jitter. */
	readonly seed: number;
	readonly unreachable: { readonly because: string; readonly sinceUs: number } | undefined;
	/** A claim that is put off, or was. */
	readonly wait: { readonly untilUs: number; readonly over: boolean } | undefined;
	readonly tie: HeardTie | undefined;
	readonly disagreement: { readonly because: string; readonly sinceUs: number; readonly told: boolean } | undefined;
}

export interface ObservedLease {
	readonly lease: StoredLease | undefined;
	/** When this node first saw it as it is. */
	readonly changedUs: number;
	/** This node wrote it so, and began then. What is only read of an own lease may be of long ago. */
	readonly writtenUs: number | undefined;
}

/** Another master with the same priority. */
export interface HeardTie {
	readonly source: string;
	readonly sinceUs: number;
	readonly lastUs: number;
	/** The lease was ours when it began: that holds until it is over. */
	readonly ours: boolean;
}

export interface LeaseOperation {
	readonly id: number;
	readonly type: "read" | "acquire" | "renew" | "release";
	readonly startedUs: number;
}

export type ElectionEvent =
	| {
			readonly type: "roleChanged";
			readonly nowUs: number;
			readonly role: InstanceRole;
			readonly priority: number;
			readonly address: string;
			readonly because: string;
	  }
	/** An advert of another router, also one that lets go. */
	| { readonly type: "advertHeard"; readonly nowUs: number; readonly source: string }
	/** The virtual router would claim now, because it hears nobody. */
	| { readonly type: "claimDue"; readonly nowUs: number }
	/** As a master: another master with the same priority was heard. */
	| { readonly type: "equalHeard"; readonly nowUs: number; readonly source: string }
	/** As a master: another machine answered for an address. */
	| { readonly type: "conflictHeard"; readonly nowUs: number; readonly mac: string }
	| { readonly type: "timerExpired"; readonly nowUs: number }
	| {
			readonly type: "storeAnswered";
			readonly nowUs: number;
			readonly id: number;
			readonly outcome: LeaseOutcome;
	  };

export type ElectionAction =
	| { readonly type: "read"; readonly id: number }
	| {
			readonly type: "acquire";
			readonly id: number;
			readonly claim: LeaseClaim;
			readonly seen: StoredLease | undefined;
	  }
	| {
			readonly type: "renew" | "release";
			readonly id: number;
			readonly claim: LeaseClaim;
			readonly seen: StoredLease;
	  }
	/** One timer; a later one replaces it. */
	| { readonly type: "setTimer"; readonly dueUs: number }
	/** Answers `claimDue`: not before then. Without it: now. */
	| { readonly type: "wait"; readonly untilUs: number }
	/** There is nothing to wait for any more. */
	| { readonly type: "stopWaiting" }
	/** Answers `equalHeard`. Without it: the higher address stays, as VRRP has it. */
	| { readonly type: "tie"; readonly stays: "self" | "other" }
	/** The addresses are to be let go of now. Only of a lease that decides. */
	| { readonly type: "yield"; readonly because: string }
	/** Worth a line in the log. */
	| { readonly type: "warn" | "note"; readonly because: string };

export interface ElectionStep {
	readonly state: ElectionState;
	readonly actions: readonly ElectionAction[];
}
