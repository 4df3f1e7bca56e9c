// The moves of one virtual router between its roles: what is said, added and removed, in which order, and which timers run
// afterwards. A successor speaks before it adds addresses; a master removes them before it says that it let go, except
// when it hands over: then it keeps them until the successor has spoken.

import type { InstanceConfig } from "../vip-config.ts";
import { ownerPriority } from "./effective-priority.ts";
import type { DownTimer, InstanceAction, InstanceRole, InstanceState, TimerName } from "./instance-state.ts";
import { downIntervalUs, skewUs, successionLimitUs } from "./instance-timers.ts";

/** A step in the making. Each move returns its draft, to be the last word of a step. */
export interface Draft {
	readonly config: InstanceConfig;
	readonly nowUs: number;
	state: InstanceState;
	readonly actions: InstanceAction[];
}

const retryUs = 1_000_000;
const longestRetryUs = 60_000_000;

export function becomeMaster(draft: Draft, because: string): Draft {
	const { config, nowUs, actions } = draft;
	cancel(draft, "down");
	sayPriority(draft, draft.state.priority);
	actions.push({ type: "addAddresses" }, { type: "count", reason: "become_master" });
	const intervalUs = config.advertIntervalMs * 1000;
	draft.state = {
		...draft.state,
		down: undefined,
		masterIntervalUs: intervalUs,
		advertDueUs: nowUs + intervalUs,
		preemptNotBeforeUs: undefined,
		handOver: undefined,
		yielded: false,
	};
	actions.push({ type: "setTimer", timer: "advert", dueUs: nowUs + intervalUs });
	announceNow(draft, config.announce.repeat, config.announce.delayMs);
	if (config.announce.refreshMs > 0)
		actions.push({ type: "setTimer", timer: "announceRefresh", dueUs: nowUs + config.announce.refreshMs * 1000 });
	moveTo(draft, "MASTER", because);
	return draft;
}

/** From any role. A master gives up its addresses without priority 0: another one is there. */
export function becomeBackup(draft: Draft, because: string): Draft {
	if (draft.state.role === "MASTER") {
		draft.actions.push({ type: "removeAddresses" });
		leaveMaster(draft);
	}
	draft.state = { ...draft.state, preemptNotBeforeUs: undefined, backupSinceUs: draft.nowUs };
	armDown(draft);
	moveTo(draft, "BACKUP", because);
	return draft;
}

export function becomeFault(draft: Draft, because: string): Draft {
	if (draft.state.role === "MASTER") {
		draft.actions.push({ type: "removeAddresses" });
		sayPriority(draft, 0);
		leaveMaster(draft);
	}
	cancel(draft, "down");
	draft.state = { ...draft.state, down: undefined, heard: undefined };
	moveTo(draft, "FAULT", because);
	return draft;
}

/** Without waiting for anybody. */
export function stopNow(draft: Draft, because: string): Draft {
	if (draft.state.role === "MASTER") {
		draft.actions.push({ type: "removeAddresses" });
		sayPriority(draft, 0);
		leaveMaster(draft);
	}
	cancel(draft, "down");
	cancel(draft, "retry");
	draft.state = { ...draft.state, down: undefined };
	moveTo(draft, "STOP", because);
	return draft;
}

/** Says priority 0 and keeps the addresses until a successor speaks, or the time for that is over. */
export function startHandOver(draft: Draft, next: "STOP" | "BACKUP", silent = false): Draft {
	const untilUs = draft.nowUs + successionLimitUs(draft.config);
	if (!silent) sayPriority(draft, 0);
	cancel(draft, "advert");
	draft.state = { ...draft.state, handOver: { next, untilUs } };
	draft.actions.push({ type: "setTimer", timer: "handOver", dueUs: untilUs });
	return draft;
}

/** The successor spoke. */
export function finishHandOver(draft: Draft, next: "STOP" | "BACKUP", because: string): Draft {
	draft.actions.push({ type: "removeAddresses" });
	leaveMaster(draft);
	if (next === "STOP") {
		cancel(draft, "retry");
		moveTo(draft, "STOP", because);
		return draft;
	}
	draft.state = { ...draft.state, yielded: true, preemptNotBeforeUs: undefined, backupSinceUs: draft.nowUs };
	armDown(draft);
	moveTo(draft, "BACKUP", because);
	return draft;
}

/** Nobody took over: stays as before. */
export function resumeMaster(draft: Draft, because: string): Draft {
	const intervalUs = draft.config.advertIntervalMs * 1000;
	cancel(draft, "handOver");
	draft.state = { ...draft.state, handOver: undefined, advertDueUs: draft.nowUs + intervalUs };
	sayPriority(draft, draft.state.priority);
	draft.actions.push({ type: "setTimer", timer: "advert", dueUs: draft.state.advertDueUs }, { type: "note", because });
	return draft;
}

/** A kernel call failed: the instance is in FAULT for 1 s, 2 s and so on up to a minute, as each attempt disturbs the owner. */
export function failFor(draft: Draft, because: string): Draft {
	const waitUs = Math.min(retryUs * 2 ** draft.state.failures, longestRetryUs);
	draft.state = { ...draft.state, ownFault: because, failures: Math.min(draft.state.failures + 1, 10) };
	becomeFault(draft, because);
	draft.actions.push({ type: "setTimer", timer: "retry", dueUs: draft.nowUs + waitUs });
	return draft;
}

/** The addresses could not be removed: once more in a second. */
export function retryLater(draft: Draft): Draft {
	draft.actions.push({ type: "setTimer", timer: "retry", dueUs: draft.nowUs + retryUs });
	return draft;
}

/** Arms the full down interval, from now or from when the master was last heard. */
export function armDown(draft: Draft, fromUs = draft.nowUs): Draft {
	const { config, state } = draft;
	const intervalUs = downIntervalUs(config, state.priority, state.masterIntervalUs);
	const inUs = Math.max(0, fromUs + intervalUs - draft.nowUs);
	armDownIn(draft, inUs, intervalUs, skewUs(config, state.priority, state.masterIntervalUs));
	return draft;
}

/** A master said that it lets go: only the skew is waited for, or the rank among Keepmesh backups where that is known. */
export function armSuccession(draft: Draft): Draft {
	const { config, state } = draft;
	const skew = skewUs(config, state.priority, state.masterIntervalUs);
	const heartbeatUs = heartbeatIntervalUs(config);
	if (config.fastHeartbeat && state.rank !== undefined && state.rank * heartbeatUs < skew)
		armFast(draft, state.rank * heartbeatUs, "none");
	else armDownIn(draft, skew, downIntervalUs(config, state.priority, state.masterIntervalUs), skew);
	return draft;
}

/** Claims after `inUs` unless somebody speaks before. Never later than the timer that runs. */
export function armFast(draft: Draft, inUs: number, probe: DownTimer["probe"]): Draft {
	const heartbeatUs = heartbeatIntervalUs(draft.config);
	const dueUs = Math.max(draft.nowUs + inUs, draft.state.notBeforeUs);
	if (draft.state.down && draft.state.down.dueUs <= dueUs) return draft;
	draft.state = {
		...draft.state,
		down: { dueUs, intervalUs: 4 * heartbeatUs, againUs: heartbeatUs, again: false, fast: true, probe, skewUs: 0 },
	};
	draft.actions.push({ type: "setTimer", timer: "down", dueUs });
	return draft;
}

function armDownIn(draft: Draft, inUs: number, intervalUs: number, skew: number): Draft {
	const dueUs = Math.max(draft.nowUs + inUs, draft.state.notBeforeUs + inUs);
	const againUs = draft.state.masterIntervalUs;
	draft.state = {
		...draft.state,
		down: { dueUs, intervalUs, againUs, again: false, fast: false, probe: "none", skewUs: skew },
	};
	draft.actions.push({ type: "setTimer", timer: "down", dueUs });
	return draft;
}

/** Heartbeats may be lost where adverts pass: a master that lives answers this advert before anything is claimed. */
export function probeMaster(draft: Draft): Draft {
	const down = draft.state.down;
	if (!down) return draft;
	sayPriority(draft, draft.state.priority);
	const dueUs = draft.nowUs + heartbeatIntervalUs(draft.config);
	draft.state = { ...draft.state, down: { ...down, dueUs, probe: "asked" } };
	draft.actions.push({ type: "setTimer", timer: "down", dueUs });
	return draft;
}

/** Another member of the group would not claim: once more when that may have changed. */
export function holdBack(draft: Draft, because: string): Draft {
	const { state, nowUs } = draft;
	if (state.down?.fast) {
		const dueUs = nowUs + state.down.againUs;
		draft.state = { ...state, down: { ...state.down, dueUs } };
		draft.actions.push({ type: "setTimer", timer: "down", dueUs });
	} else armDown(draft);
	draft.state = { ...draft.state, because };
	return draft;
}

/** Own lateness: the timer may have fired because this process stood still, not because the master is silent. */
export function armDownAgain(draft: Draft): Draft {
	const down = draft.state.down;
	if (!down) return draft;
	const dueUs = draft.nowUs + down.againUs;
	draft.state = { ...draft.state, down: { ...down, dueUs, again: true } };
	draft.actions.push({ type: "setTimer", timer: "down", dueUs });
	return draft;
}

export function sayPriority(draft: Draft, priority: number): Draft {
	draft.actions.push(
		{ type: "sendAdvert", advert: { priority, intervalMs: draft.config.advertIntervalMs } },
		{ type: "count", reason: "advert_sent" },
	);
	if (priority === 0) draft.actions.push({ type: "count", reason: "pri_zero_sent" });
	return draft;
}

/** A burst now, and the same once more after a delay. */
export function announceNow(draft: Draft, copies: number, delayMs: number): Draft {
	if (copies <= 0) return draft;
	draft.actions.push({ type: "announce", copies });
	if (delayMs > 0)
		draft.actions.push({ type: "setTimer", timer: "announceAgain", dueUs: draft.nowUs + delayMs * 1000 });
	return draft;
}

export function isOwner(config: InstanceConfig, state: InstanceState): boolean {
	return state.priority === ownerPriority && config.initialState === "MASTER";
}

function heartbeatIntervalUs(config: InstanceConfig): number {
	return (config.fastHeartbeat?.intervalMs ?? 25) * 1000;
}

function leaveMaster(draft: Draft): Draft {
	for (const timer of ["advert", "announceAgain", "announceRefresh"] as const) cancel(draft, timer);
	if (draft.state.handOver) cancel(draft, "handOver");
	draft.state = { ...draft.state, handOver: undefined };
	draft.actions.push({ type: "count", reason: "release_master" });
	return draft;
}

function cancel(draft: Draft, timer: TimerName): Draft {
	draft.actions.push({ type: "cancelTimer", timer });
	return draft;
}

function moveTo(draft: Draft, to: InstanceRole, because: string): Draft {
	const { role: from, priority } = draft.state;
	draft.state = { ...draft.state, role: to, because };
	if (from !== to) draft.actions.push({ type: "report", transition: { from, to, because, priority } });
	return draft;
}
