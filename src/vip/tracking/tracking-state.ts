// What goes into and comes out of the machine that turns health into priorities, one for each process. All times are
// microseconds of a monotonic clock.

import type { InstanceRole } from "../vrrp/instance-state.ts";
import type { MoveHistory } from "./hold-down.ts";
import type { InstanceHealth } from "./instance-health.ts";
import type { TrackerResult, TrackerState } from "./tracker-state.ts";

export interface TrackingState {
	/** By name of the tracker. */
	readonly trackers: ReadonlyMap<string, TrackerState>;
	/** By name of the instance. */
	readonly instances: ReadonlyMap<string, InstanceTracking>;
	/** What the one timer is set to. */
	readonly timerUs: number | undefined;
}

export interface InstanceTracking {
	readonly health: InstanceHealth;
	/** What the instance was told. */
	readonly priority: number;
	readonly faults: readonly string[];
	readonly role: InstanceRole;
	/** No other node has been heard to own it since this one did. */
	readonly lastOwner: boolean;
	readonly dead: DeadPhase;
	/** The other node that owns it. */
	readonly owner: HeardOwner | undefined;
	/** The highest priority that this owner has shown: as long as no move was seen, the cap of a node that came lately. */
	readonly ownerPeak: number;
	/** Who let go last, and when: it may have done so of free will. */
	readonly resigned: { readonly peer: string; readonly atUs: number } | undefined;
	/** The last time any other node was heard to own it; before that, the start. */
	readonly ownerHeardUs: number;
	/** Keepmesh nodes that are alive, by address. */
	readonly standbys: ReadonlyMap<string, Standby>;
	/** Some Keepmesh node has been heard: then a node that is not heard is not there. */
	readonly hearsHeartbeats: boolean;
	readonly moves: MoveHistory;
	/** When the priority may become what health says; undefined: it is that. */
	readonly deferredUntilUs: number | undefined;
	/** Of the priority and the faults, for people. */
	readonly because: string;
}

/** `released`: let go, and taken back when nobody took it. `held`: owned all the same, at priority 1. */
export type DeadPhase =
	| { readonly phase: "no" }
	| { readonly phase: "released"; readonly sinceUs: number }
	| { readonly phase: "held"; readonly sinceUs: number; readonly because: string };

export interface HeardOwner {
	readonly peer: string;
	readonly priority: number;
	readonly heardUs: number;
	readonly intervalUs: number;
}

export interface Standby {
	readonly role: InstanceRole;
	readonly priority: number;
}

export type TrackingEvent =
	/** `owned`: instances whose addresses a run before this one left behind: this node was their last owner. */
	| { readonly type: "started"; readonly nowUs: number; readonly owned?: readonly string[] }
	| ({ readonly type: "trackerResult"; readonly nowUs: number; readonly tracker: string } & TrackerResult)
	/** Its check will never run (`Probe.refused`): it counts for nothing from now on, until a reload. */
	| { readonly type: "trackerRefused"; readonly nowUs: number; readonly tracker: string; readonly because: string }
	/** An advert of another node; priority 0 means that it lets go. `intervalUs`: its own, where it says so. */
	| {
			readonly type: "advertHeard";
			readonly nowUs: number;
			readonly instance: string;
			readonly peer: string;
			readonly priority: number;
			readonly intervalUs?: number;
	  }
	/** What a Keepmesh node's heartbeat says of the instance. */
	| {
			readonly type: "heartbeatHeard";
			readonly nowUs: number;
			readonly instance: string;
			readonly peer: string;
			readonly role: InstanceRole;
			readonly priority: number;
	  }
	| { readonly type: "heartbeatLost"; readonly nowUs: number; readonly instance: string; readonly peer: string }
	/** What the instance's own machine became. `forced`: by an order or a death, whatever it looks like from here. */
	| {
			readonly type: "roleChanged";
			readonly nowUs: number;
			readonly instance: string;
			readonly role: InstanceRole;
			readonly forced?: boolean;
	  }
	| { readonly type: "timerExpired"; readonly nowUs: number };

export type TrackingAction =
	| {
			readonly type: "priorityChanged";
			readonly instance: string;
			readonly priority: number;
			readonly because: string;
	  }
	/** Non-empty: FAULT. `waiting`: only because first results are not there yet; keepalived stays in INIT so long. */
	| {
			readonly type: "faultChanged";
			readonly instance: string;
			readonly reasons: readonly string[];
			readonly waiting: boolean;
			readonly because: string;
	  }
	| {
			readonly type: "trackerChanged";
			readonly tracker: string;
			readonly status: "up" | "down";
			readonly value?: number;
			readonly because: string;
	  }
	/** Worth a line in the log: health asks for something that policy does not do yet. */
	| { readonly type: "note"; readonly instance: string; readonly because: string }
	/** One timer for the whole machine; a new one replaces the old one. */
	| { readonly type: "setTimer"; readonly dueUs: number }
	| { readonly type: "cancelTimer" };

export interface TrackingStep {
	readonly state: TrackingState;
	readonly actions: readonly TrackingAction[];
}
