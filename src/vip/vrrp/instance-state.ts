// What goes into and comes out of the machine of one virtual router. All times are microseconds of a monotonic clock.

import type { Advert, ReceivedAdvert } from "./advert.ts";

/** keepalived's names. STOP is final until started again. */
export type InstanceRole = "INIT" | "BACKUP" | "MASTER" | "FAULT" | "STOP";

/**
 * `down`: the master counts as gone. `advert`: the next advert is due. `announceAgain`, `announceRefresh`: gratuitous ARP.
 * `handOver`: nobody took over in time. `retry`: what failed in the kernel is tried once more.
 */
export type TimerName = "down" | "advert" | "announceAgain" | "announceRefresh" | "handOver" | "retry";

export interface InstanceState {
	readonly role: InstanceRole;
	/** Effective priority: 1 to 254, or 255 for an owner of the addresses. */
	readonly priority: number;
	/** Why the instance must not own; non-empty means FAULT once started. */
	readonly faults: readonly string[];
	/** Of the master, in microseconds. Version 3 learns the master's interval from its adverts. */
	readonly masterIntervalUs: number;
	/** Nothing is claimed earlier (`vrrp_startup_delay`). */
	readonly notBeforeUs: number;
	readonly down: DownTimer | undefined;
	readonly backupSinceUs: number;
	/** When the next advert is due as a master. */
	readonly advertDueUs: number;
	/** Lower priorities do not yet count against a lower master (`preempt_delay` runs). */
	readonly preemptNotBeforeUs: number | undefined;
	/** A master that was heard: its advert's time and priority. */
	readonly heard: HeardMaster | undefined;
	/** A hand-over runs: priority 0 was said, and the addresses stay until the successor speaks. */
	readonly handOver: HandOver | undefined;
	/** Handed over by order: no preempting until the other is gone. */
	readonly yielded: boolean;
	/** When a lower master was last answered. */
	readonly answeredUs: number;
	/** Something this instance tried itself failed; cleared by the `retry` timer. */
	readonly ownFault: string | undefined;
	/** How often in a row that was so: each time it waits longer. */
	readonly failures: number;
	/** How many live Keepmesh backups are better; undefined while none is heard. */
	readonly rank: number | undefined;
	/** Of the last transition. */
	readonly because: string;
}

export interface DownTimer {
	readonly dueUs: number;
	/** A timer that fires later than half of this is not believed. */
	readonly intervalUs: number;
	/** Then it is armed once more for so long. */
	readonly againUs: number;
	/** This is that second time; whatever was queued has been heard by now. */
	readonly again: boolean;
	/** Armed by what heartbeats told. */
	readonly fast: boolean;
	/**
	 * `wanted`: before claiming, an advert asks whether the silent master still lives; it would answer a lower priority at
	 * once. `asked`: that was done.
	 */
	readonly probe: "none" | "wanted" | "asked";
	/** The part of `dueUs` that is skew of the own priority, and moves with it. */
	readonly skewUs: number;
}

export interface HeardMaster {
	readonly source: string;
	readonly priority: number;
	readonly atUs: number;
}

export interface HandOver {
	readonly next: "STOP" | "BACKUP";
	readonly untilUs: number;
}

export type InstanceEvent =
	| { readonly type: "started"; readonly nowUs: number; readonly startupDelayUs?: number }
	| {
			readonly type: "advertReceived";
			readonly nowUs: number;
			readonly advert: ReceivedAdvert;
			readonly source: string;
	  }
	/** `dueUs` is what the timer was set to: the lateness tells whether this process was stalled. */
	| {
			readonly type: "timerExpired";
			readonly nowUs: number;
			readonly timer: TimerName;
			readonly dueUs: number;
			/** Of "down": why the sync group does not let this one claim now. */
			readonly held?: string;
	  }
	| { readonly type: "priorityChanged"; readonly nowUs: number; readonly priority: number }
	| { readonly type: "faultChanged"; readonly nowUs: number; readonly reasons: readonly string[] }
	/** A Keepmesh peer fell silent; its last heartbeat said MASTER for this virtual router. */
	| { readonly type: "heartbeatLost"; readonly nowUs: number; readonly peer: string; readonly lastHeardUs: number }
	/** What a live Keepmesh peer says of this virtual router, whenever it changes and now and again. */
	| {
			readonly type: "heartbeatHeard";
			readonly nowUs: number;
			readonly peer: string;
			readonly role: InstanceRole;
			readonly priority: number;
	  }
	/** So many live Keepmesh backups are better than this one; undefined while none is heard. */
	| { readonly type: "rankChanged"; readonly nowUs: number; readonly rank: number | undefined }
	/** The sync group decided: own with the others, or let go with them. */
	| { readonly type: "groupMoved"; readonly nowUs: number; readonly to: "MASTER" | "BACKUP"; readonly because: string }
	| { readonly type: "stopRequested"; readonly nowUs: number; readonly handOver: boolean }
	/** `vip move`: hands over to whoever is best, and does not take back while that one lives. */
	| {
			readonly type: "moveRequested";
			readonly nowUs: number;
			/** The successor was asked by name: priority 0 would wake the others as well. */
			readonly named?: boolean;
	  }
	/** `vip move --to` this node: takes over from a master that agreed. */
	| { readonly type: "claimRequested"; readonly nowUs: number; readonly because: string }
	| { readonly type: "configChanged"; readonly nowUs: number }
	| { readonly type: "addressConflict"; readonly nowUs: number; readonly address: string; readonly mac: string }
	| {
			readonly type: "actionFailed";
			readonly nowUs: number;
			readonly action: InstanceAction["type"];
			readonly because: string;
	  };

export type InstanceEventOf<Type extends InstanceEvent["type"]> = Extract<InstanceEvent, { readonly type: Type }>;

/** In the order in which they must be carried out. */
export type InstanceAction =
	| { readonly type: "sendAdvert"; readonly advert: Advert }
	| { readonly type: "addAddresses" }
	| { readonly type: "removeAddresses" }
	| { readonly type: "announce"; readonly copies: number }
	| { readonly type: "setTimer"; readonly timer: TimerName; readonly dueUs: number }
	| { readonly type: "cancelTimer"; readonly timer: TimerName }
	| { readonly type: "report"; readonly transition: Transition }
	/** Worth a line in the log, and nothing changed. */
	| { readonly type: "note"; readonly because: string }
	/** `notify_master_rx_lower_pri` */
	| { readonly type: "lowerPriorityHeard"; readonly source: string; readonly priority: number }
	| { readonly type: "count"; readonly reason: CountReason };

export interface Transition {
	readonly from: InstanceRole;
	readonly to: InstanceRole;
	readonly because: string;
	readonly priority: number;
}

/** Names of keepalived's counters where it has them. */
export type CountReason =
	| "advert_rcvd"
	| "advert_sent"
	| "become_master"
	| "release_master"
	| "pri_zero_rcvd"
	| "pri_zero_sent"
	| "addr_list_err"
	| "advert_interval_differs"
	| "checksum_form_learned"
	| "lower_priority_heard"
	| "equal_priority_heard"
	| "two_owners"
	| "late_timer"
	| "address_conflict"
	| "heartbeat_lost"
	| "action_failed";

export interface InstanceStep {
	readonly state: InstanceState;
	readonly actions: readonly InstanceAction[];
}
