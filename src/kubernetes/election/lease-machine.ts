// Who of several leads, by a Lease at the API server, with client-go's rules: a holder that cannot renew within `renewMs` leads no
// more; another one may take the Lease when it has not seen it change for as long as its holder said. Only the own monotonic time
// counts, never the times in the Lease. In: time and the server's answers. Out: what to ask next; that it leads, and no more.

import { type LeaseRecord, microTime, type SeenLease } from "./lease-record.ts";

export interface LeaseConfig {
	/** Of this process alone, also after a restart. */
	readonly identity: string;
	/** Others wait so long after the last renewal that they saw. */
	readonly leaseMs: number;
	/** The holder gives up so long after its last renewal; less than `leaseMs` by more than an answer takes. */
	readonly renewMs: number;
	/** Between two renewals, and between two looks of those that wait. */
	readonly retryMs: number;
}

export interface LeaseState {
	readonly role: "candidate" | "leader" | "stopped";
	/** The Lease as it was last seen, and when it was seen to change. */
	readonly seen: (SeenLease & { readonly changedMs: number }) | undefined;
	/** When the renewal that counts was sent. */
	readonly renewedMs: number;
	/** What is asked now, and since when; undefined: nothing. */
	readonly asking: { readonly what: "read" | "write"; readonly sinceMs: number } | undefined;
}

export type LeaseEvent = { readonly nowMs: number; readonly wallMs: number } & (
	| { readonly type: "timerExpired" }
	/** Undefined: there is no such Lease. */
	| { readonly type: "read"; readonly lease: SeenLease | undefined }
	| { readonly type: "written"; readonly lease: SeenLease }
	/** Somebody else changed it, created it or deleted it. */
	| { readonly type: "conflict" }
	| { readonly type: "failed"; readonly because: string }
	| { readonly type: "stopped" }
);

export type LeaseAction =
	| { readonly type: "read" }
	/** Without a version: to be created. */
	| { readonly type: "write"; readonly record: LeaseRecord; readonly resourceVersion?: string }
	/** The one timer; a new one replaces it. */
	| { readonly type: "setTimer"; readonly afterMs: number }
	| { readonly type: "gained"; readonly transitions: number }
	| { readonly type: "lost"; readonly because: string };

export interface LeaseStep {
	readonly state: LeaseState;
	readonly actions: readonly LeaseAction[];
}

export const initialLeaseState: LeaseState = { role: "candidate", seen: undefined, renewedMs: 0, asking: undefined };

export function stepLease(config: LeaseConfig, state: LeaseState, event: LeaseEvent): LeaseStep {
	const { nowMs } = event;
	if (state.role === "stopped") return { state, actions: [] };
	switch (event.type) {
		case "timerExpired":
			return onTimer(config, state, event);
		case "read": {
			const seen = event.lease && { ...event.lease, changedMs: changedMs(state, event.lease, nowMs) };
			return onSeen(config, { ...state, seen, asking: undefined }, event);
		}
		case "written": {
			const { sinceMs } = state.asking ?? { sinceMs: nowMs };
			const next: LeaseState = {
				role: "leader",
				seen: { ...event.lease, changedMs: nowMs },
				renewedMs: sinceMs,
				asking: undefined,
			};
			// An answer that took longer than the lease is good for nothing: others may have it.
			if (nowMs - sinceMs >= config.renewMs)
				return giveUp(config, { ...next, role: state.role }, "the renewal took too long");
			const actions: LeaseAction[] = [{ type: "setTimer", afterMs: config.retryMs }];
			if (state.role !== "leader") actions.unshift({ type: "gained", transitions: event.lease.record.transitions });
			return { state: next, actions };
		}
		case "conflict":
			return ask({ ...state, asking: undefined }, nowMs);
		case "failed":
			return wait(config, { ...state, asking: undefined }, nowMs, event.because);
		case "stopped": {
			const stopped: LeaseState = { ...state, role: "stopped", asking: undefined };
			if (state.role !== "leader" || !state.seen) return { state: stopped, actions: [] };
			const { record, resourceVersion } = state.seen;
			const time = microTime(event.wallMs);
			// So that whoever waits need not wait for it to run out.
			const free = { ...record, holder: "", leaseMs: 1000, renewTime: time, acquireTime: time };
			return {
				state: stopped,
				actions: [
					{ type: "lost", because: "it stops" },
					{ type: "write", record: free, resourceVersion },
				],
			};
		}
		default:
			return event satisfies never;
	}
}

function onTimer(config: LeaseConfig, state: LeaseState, { nowMs, wallMs }: LeaseEvent): LeaseStep {
	// What is asked has a time limit of its own, and its answer comes; a leader's time may end before.
	if (state.asking) return wait(config, state, nowMs, "the API server does not answer");
	if (state.role !== "leader" || !state.seen) return ask(state, nowMs);
	if (nowMs - state.renewedMs >= config.renewMs) return giveUp(config, state, "its time ran out");
	const { record, resourceVersion } = state.seen;
	return write(config, state, { ...record, renewTime: microTime(wallMs) }, resourceVersion, nowMs);
}

/** The Lease is known as it is now: take it when it is free. */
function onSeen(config: LeaseConfig, state: LeaseState, { nowMs, wallMs }: LeaseEvent): LeaseStep {
	const { seen } = state;
	const time = microTime(wallMs);
	const own = { holder: config.identity, leaseMs: config.leaseMs, renewTime: time, acquireTime: time };
	if (!seen) {
		if (state.role === "leader") return giveUp(config, state, "the Lease was deleted");
		return write(config, state, { ...own, transitions: 0 }, undefined, nowMs);
	}
	const { changedMs, record, resourceVersion } = seen;
	if (record.holder === config.identity) {
		const renewed = { ...record, leaseMs: config.leaseMs, renewTime: time };
		return write(config, state, renewed, resourceVersion, nowMs);
	}
	if (state.role === "leader") return giveUp(config, state, `${record.holder || "nobody"} holds the Lease`);
	const isFree = record.holder === "" || nowMs - changedMs >= record.leaseMs;
	if (!isFree) return { state, actions: [{ type: "setTimer", afterMs: config.retryMs }] };
	return write(config, state, { ...own, transitions: record.transitions + 1 }, resourceVersion, nowMs);
}

function changedMs({ seen }: LeaseState, lease: SeenLease, nowMs: number): number {
	return seen?.resourceVersion === lease.resourceVersion ? seen.changedMs : nowMs;
}

function ask(state: LeaseState, nowMs: number): LeaseStep {
	return { state: { ...state, asking: { what: "read", sinceMs: nowMs } }, actions: [{ type: "read" }] };
}

function write(
	config: LeaseConfig,
	state: LeaseState,
	record: LeaseRecord,
	resourceVersion: string | undefined,
	nowMs: number,
): LeaseStep {
	const actions: LeaseAction[] = [
		{ type: "write", record, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
	];
	if (state.role === "leader") actions.push({ type: "setTimer", afterMs: untilEnd(config, state, nowMs) });
	return { state: { ...state, asking: { what: "write", sinceMs: nowMs } }, actions };
}

/** Nothing was learnt: a leader goes on for the rest of its time. */
function wait(config: LeaseConfig, state: LeaseState, nowMs: number, because: string): LeaseStep {
	if (state.role !== "leader") return { state, actions: [{ type: "setTimer", afterMs: config.retryMs }] };
	const leftMs = untilEnd(config, state, nowMs);
	if (leftMs <= 0) return giveUp(config, state, because);
	return { state, actions: [{ type: "setTimer", afterMs: Math.min(config.retryMs, leftMs) }] };
}

function untilEnd(config: LeaseConfig, { renewedMs }: LeaseState, nowMs: number): number {
	return Math.max(0, renewedMs + config.renewMs - nowMs);
}

function giveUp(config: LeaseConfig, state: LeaseState, because: string): LeaseStep {
	const timer = { type: "setTimer", afterMs: config.retryMs } as const;
	const actions: readonly LeaseAction[] = state.role === "leader" ? [{ type: "lost", because }, timer] : [timer];
	return { state: { ...state, role: "candidate" }, actions };
}
