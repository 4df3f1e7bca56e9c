// One virtual router: events in, the next state and the actions out, in the order in which they must be done. RFC 9568
// section 6.4, RFC 3768 section 6.4, with keepalived's FAULT, preempt_delay and answers to lower priorities. The caller hears
// all queued adverts before it tells of an expired timer.

import type { InstanceConfig } from "../vip-config.ts";
import { effectivePriority } from "./effective-priority.ts";
import { hearAsBackup, hearAsMaster, hearHeartbeat, loseHeartbeat } from "./instance-hearing.ts";
import {
	announceNow,
	armDown,
	armDownAgain,
	becomeBackup,
	becomeFault,
	becomeMaster,
	type Draft,
	failFor,
	finishHandOver,
	holdBack,
	isOwner,
	probeMaster,
	resumeMaster,
	retryLater,
	sayPriority,
	startHandOver,
	stopNow,
} from "./instance-moves.ts";
import type { InstanceEventOf as EventOf, InstanceEvent, InstanceState, InstanceStep } from "./instance-state.ts";
import { downIntervalUs, skewUs } from "./instance-timers.ts";

export function initialInstanceState(config: InstanceConfig): InstanceState {
	return {
		role: "INIT",
		priority: effectivePriority(config.priority, []),
		faults: [],
		masterIntervalUs: config.advertIntervalMs * 1000,
		notBeforeUs: 0,
		down: undefined,
		backupSinceUs: 0,
		advertDueUs: 0,
		preemptNotBeforeUs: undefined,
		heard: undefined,
		handOver: undefined,
		yielded: false,
		answeredUs: Number.NEGATIVE_INFINITY,
		ownFault: undefined,
		failures: 0,
		rank: undefined,
		because: "not started",
	};
}

export function stepInstance(config: InstanceConfig, state: InstanceState, event: InstanceEvent): InstanceStep {
	const draft: Draft = { config, nowUs: event.nowUs, state, actions: [] };
	step(draft, event);
	return { state: draft.state, actions: draft.actions };
}

function step(draft: Draft, event: InstanceEvent): Draft {
	const { role } = draft.state;
	switch (event.type) {
		case "started":
			return start(draft, event);
		case "advertReceived":
			draft.actions.push({ type: "count", reason: "advert_rcvd" });
			for (const note of event.advert.notes) draft.actions.push({ type: "count", reason: note });
			if (event.advert.priority === 0) draft.actions.push({ type: "count", reason: "pri_zero_rcvd" });
			if (role === "BACKUP") return hearAsBackup(draft, event);
			if (role === "MASTER") return hearAsMaster(draft, event);
			return draft;
		case "timerExpired":
			return expire(draft, event);
		case "priorityChanged":
			return changePriority(draft, event.priority);
		case "faultChanged":
			draft.state = { ...draft.state, faults: event.reasons };
			return followFaults(draft);
		case "heartbeatLost":
			return loseHeartbeat(draft, event);
		case "heartbeatHeard":
			return hearHeartbeat(draft, event);
		case "rankChanged":
			draft.state = { ...draft.state, rank: event.rank };
			return draft;
		case "groupMoved":
			if (event.to === "MASTER" && role === "BACKUP") becomeMaster(draft, event.because);
			if (event.to === "BACKUP" && role === "MASTER") leaveWithGroup(draft, event.because);
			return draft;
		case "claimRequested":
			if (role === "BACKUP") becomeMaster(draft, event.because);
			return draft;
		case "stopRequested":
			if (role === "STOP") return draft;
			if (role !== "MASTER" || !event.handOver) return stopNow(draft, "stopped");
			if (draft.state.handOver) draft.state = { ...draft.state, handOver: { ...draft.state.handOver, next: "STOP" } };
			else startHandOver(draft, "STOP");
			return draft;
		case "moveRequested":
			if (role === "MASTER" && !draft.state.handOver) startHandOver(draft, "BACKUP", event.named);
			return draft;
		case "configChanged":
			return changeConfig(draft);
		case "addressConflict":
			return meetConflict(draft, event);
		case "actionFailed":
			return meetFailure(draft, event);
		default:
			return event satisfies never;
	}
}

function start(draft: Draft, event: EventOf<"started">): Draft {
	const { config, state, nowUs } = draft;
	if (state.role !== "INIT" && state.role !== "STOP") return draft;
	draft.state = {
		...initialInstanceState(config),
		priority: state.priority,
		faults: state.faults,
		rank: state.rank,
		notBeforeUs: nowUs + (event.startupDelayUs ?? 0),
	};
	// What a crashed run left behind must not answer beside the real owner.
	draft.actions.push({ type: "removeAddresses" });
	if (draft.state.faults.length > 0) return becomeFault(draft, draft.state.faults.join(", "));
	if (isOwner(config, draft.state) && !event.startupDelayUs) return becomeMaster(draft, "owns the addresses");
	becomeBackup(draft, "started");
	return draft;
}

function leaveWithGroup(draft: Draft, because: string): Draft {
	const { handOver } = draft.state;
	return handOver ? finishHandOver(draft, handOver.next, because) : becomeBackup(draft, because);
}

function expire(draft: Draft, event: EventOf<"timerExpired">): Draft {
	const { config, state, actions, nowUs } = draft;
	const lateUs = nowUs - event.dueUs;
	switch (event.timer) {
		case "down":
			if (state.role !== "BACKUP" || !state.down) return draft;
			if (lateUs > state.down.intervalUs / 2 && !state.down.again) {
				reportLate(draft, lateUs);
				return armDownAgain(draft);
			}
			if (event.held !== undefined) return holdBack(draft, event.held);
			if (state.down.probe === "wanted") return probeMaster(draft);
			return becomeMaster(draft, silenceOf(state));
		case "advert":
			if (state.role !== "MASTER" || state.handOver) return draft;
			return advertise(draft, lateUs);
		case "announceAgain":
			if (state.role === "MASTER") announceNow(draft, config.announce.repeat, 0);
			return draft;
		case "announceRefresh":
			if (state.role !== "MASTER" || config.announce.refreshMs === 0) return draft;
			announceNow(draft, config.announce.refreshRepeat, 0);
			actions.push({ type: "setTimer", timer: "announceRefresh", dueUs: nowUs + config.announce.refreshMs * 1000 });
			return draft;
		case "handOver":
			if (!state.handOver) return draft;
			if (state.handOver.next === "STOP") return stopNow(draft, "stopped; nobody took over in time");
			return resumeMaster(draft, "nobody took over in time; stays master");
		case "retry":
			if (state.role !== "MASTER" && !state.ownFault) actions.push({ type: "removeAddresses" });
			draft.state = { ...draft.state, ownFault: undefined };
			return followFaults(draft);
		default:
			return event.timer satisfies never;
	}
}

/** On a schedule of its own, so that late timers do not add up. */
function advertise(draft: Draft, lateUs: number): Draft {
	const { config, state, nowUs } = draft;
	const intervalUs = config.advertIntervalMs * 1000;
	sayPriority(draft, state.priority);
	const next = state.advertDueUs + intervalUs;
	const dueUs = next > nowUs ? next : nowUs + intervalUs;
	draft.state = { ...state, advertDueUs: dueUs, failures: 0 };
	draft.actions.push({ type: "setTimer", timer: "advert", dueUs });
	if (lateUs <= downIntervalUs(config, state.priority, intervalUs) / 2) return draft;
	// Somebody may have claimed meanwhile and turned the switches; whoever is higher has been heard before this.
	reportLate(draft, lateUs);
	announceNow(draft, config.announce.repeat, config.announce.delayMs);
	return draft;
}

function changePriority(draft: Draft, priority: number): Draft {
	const { config, state } = draft;
	if (priority === state.priority) return draft;
	draft.state = { ...state, priority };
	if (state.role === "MASTER" && !state.handOver) sayPriority(draft, priority);
	if (state.role !== "BACKUP" || !state.down) return draft;
	const { heard } = state;
	// The master was about to be preempted, and now it is the better one: it counts as heard when it was heard.
	if (heard && heard.priority < state.priority && heard.priority >= priority) return armDown(draft, heard.atUs);
	if (state.down.fast) return draft;
	const skew = skewUs(config, priority, state.masterIntervalUs);
	const dueUs = state.down.dueUs + skew - state.down.skewUs;
	draft.state = { ...draft.state, down: { ...state.down, dueUs, skewUs: skew } };
	draft.actions.push({ type: "setTimer", timer: "down", dueUs });
	return draft;
}

function followFaults(draft: Draft): Draft {
	const { state, config } = draft;
	const reasons = state.ownFault ? [...state.faults, state.ownFault] : state.faults;
	if (state.role === "INIT" || state.role === "STOP") return draft;
	if (reasons.length > 0) {
		if (state.role === "FAULT") return draft;
		if (state.handOver?.next === "STOP") return stopNow(draft, `stopped; ${reasons.join(", ")}`);
		return becomeFault(draft, reasons.join(", "));
	}
	if (state.role !== "FAULT") return draft;
	draft.state = { ...state, masterIntervalUs: config.advertIntervalMs * 1000 };
	if (isOwner(config, state)) return becomeMaster(draft, "owns the addresses, and nothing is at fault any more");
	becomeBackup(draft, "nothing is at fault any more");
	return draft;
}

/** Timers go on unless the times themselves changed: a file that is read again and again must not put a claim off. */
function changeConfig(draft: Draft): Draft {
	const { config, state, nowUs } = draft;
	const intervalUs = config.advertIntervalMs * 1000;
	if (config.version === 2 || state.role !== "BACKUP") draft.state = { ...state, masterIntervalUs: intervalUs };
	if (state.role === "BACKUP") {
		const downUs = downIntervalUs(config, state.priority, draft.state.masterIntervalUs);
		if (state.down?.fast || state.down?.intervalUs === downUs) return draft;
		return armDown(draft, state.heard?.atUs ?? state.backupSinceUs);
	}
	if (state.role !== "MASTER" || state.handOver) return draft;
	sayPriority(draft, state.priority);
	const dueUs = Math.min(state.advertDueUs, nowUs + intervalUs);
	draft.state = { ...draft.state, advertDueUs: dueUs };
	draft.actions.push({ type: "setTimer", timer: "advert", dueUs });
	return draft;
}

function meetConflict(draft: Draft, event: EventOf<"addressConflict">): Draft {
	if (draft.state.role !== "MASTER") return draft;
	draft.actions.push(
		{ type: "count", reason: "address_conflict" },
		{ type: "note", because: `${event.mac} says that it has ${event.address}` },
	);
	if (event.nowUs - draft.state.answeredUs < 50_000) return draft;
	draft.state = { ...draft.state, answeredUs: event.nowUs };
	announceNow(draft, 1, 0);
	return draft;
}

function meetFailure(draft: Draft, event: EventOf<"actionFailed">): Draft {
	draft.actions.push(
		{ type: "count", reason: "action_failed" },
		{ type: "note", because: `${event.action} failed: ${event.because}` },
	);
	if (event.action === "addAddresses" && draft.state.role === "MASTER")
		failFor(draft, `cannot add the addresses: ${event.because}`);
	if (event.action === "removeAddresses") retryLater(draft);
	return draft;
}

function reportLate(draft: Draft, lateUs: number): Draft {
	const because = `a timer was ${Math.round(lateUs / 1000)} ms late: this process or machine stood still`;
	draft.actions.push({ type: "count", reason: "late_timer" }, { type: "note", because });
	return draft;
}

function silenceOf(state: InstanceState): string {
	if (state.down?.fast) return state.heard ? "the master's heartbeats stopped" : "the master let go";
	if (!state.heard) return "no master was heard";
	const seconds = ((state.down?.intervalUs ?? 0) / 1_000_000).toFixed(2);
	return state.heard.priority < state.priority
		? `${state.heard.source} has only priority ${state.heard.priority}`
		: `${state.heard.source} was not heard for ${seconds} s`;
}
