// What one virtual router makes of what it hears: adverts of others, as a backup and as a master, and what the fast heartbeat
// tells. RFC 9568 sections 6.4.2 and 6.4.3, with keepalived's preempt_delay and answers to lower priorities.

import type { InstanceConfig } from "../vip-config.ts";
import {
	announceNow,
	armDown,
	armFast,
	armSuccession,
	becomeBackup,
	type Draft,
	finishHandOver,
	sayPriority,
} from "./instance-moves.ts";
import type { InstanceEventOf as EventOf, InstanceState } from "./instance-state.ts";
import { downIntervalUs } from "./instance-timers.ts";

export function hearAsBackup(draft: Draft, event: EventOf<"advertReceived">): Draft {
	const { config, nowUs } = draft;
	const { advert, source } = event;
	if (advert.priority === 0) return hearLettingGo(draft, source);
	const lower = advert.priority < draft.state.priority;
	draft.state = { ...draft.state, heard: { source, priority: advert.priority, atUs: nowUs } };
	if (lower && !toleratesLower(draft)) return draft;
	if (!lower) draft.state = { ...draft.state, preemptNotBeforeUs: undefined };
	if (config.version === 3) draft.state = { ...draft.state, masterIntervalUs: advert.intervalMs * 1000 };
	armDown(draft);
	return draft;
}

function hearLettingGo(draft: Draft, source: string): Draft {
	const { config, state, nowUs } = draft;
	const { heard } = state;
	const limitUs = downIntervalUs(config, state.priority, state.masterIntervalUs);
	// The successor's advert came before this one: whoever lets go is not the master any more.
	if (heard && heard.source !== source && nowUs - heard.atUs < limitUs) return draft;
	draft.state = { ...state, heard: undefined, yielded: false };
	return armSuccession(draft);
}

/** A lower master may stay: `nopreempt`, a hand-over by order, or `preempt_delay`, which its first advert starts. */
function toleratesLower(draft: Draft): boolean {
	const { config, state, nowUs } = draft;
	if (!config.preempt || state.yielded) return true;
	if (config.preemptDelayMs === 0) return false;
	if (state.preemptNotBeforeUs === undefined)
		draft.state = { ...state, preemptNotBeforeUs: nowUs + config.preemptDelayMs * 1000 };
	return nowUs < (draft.state.preemptNotBeforeUs ?? 0);
}

/**
 * The live master that a backup leaves the addresses to; undefined when it would claim or is about to. A sync group moves only
 * when no member has one (keepalived: all members must want to be master), or two nodes would take them from each other for ever.
 */
export function leavesTo(config: InstanceConfig, state: InstanceState, nowUs: number): string | undefined {
	const { heard, preemptNotBeforeUs } = state;
	if (state.role !== "BACKUP" || !heard || state.down?.fast) return undefined;
	if (nowUs >= heard.atUs + downIntervalUs(config, state.priority, state.masterIntervalUs)) return undefined;
	const mayPreempt = config.preempt && !state.yielded && heard.priority < state.priority;
	const isDelayed = config.preemptDelayMs > 0 && !(preemptNotBeforeUs !== undefined && nowUs >= preemptNotBeforeUs);
	return mayPreempt && !isDelayed ? undefined : heard.source;
}

export function hearAsMaster(draft: Draft, event: EventOf<"advertReceived">): Draft {
	const { config, state, actions } = draft;
	const { advert, source } = event;
	if (advert.priority === 0) {
		if (!state.handOver) sayPriority(draft, state.priority);
		return draft;
	}
	if (state.handOver) {
		heard(draft, event);
		return finishHandOver(draft, state.handOver.next, `${source} took over`);
	}
	const higher = advert.priority > state.priority;
	const equal = advert.priority === state.priority;
	if (equal) actions.push({ type: "count", reason: advert.priority === 255 ? "two_owners" : "equal_priority_heard" });
	if (higher || (equal && advert.sourceIsHigher)) {
		if (config.advertOnHigherPriority) sayPriority(draft, state.priority);
		heard(draft, event);
		const what = higher ? `priority ${advert.priority}` : `the same priority ${advert.priority} and a higher address`;
		becomeBackup(draft, `${source} has ${what}`);
		// After a split brain the other one may not have heard of this one: it hears now, and sets the switches right.
		return config.advertOnHigherPriority ? draft : sayPriority(draft, state.priority);
	}
	answerLower(draft, event);
	return draft;
}

function heard(draft: Draft, { nowUs, advert, source }: EventOf<"advertReceived">): Draft {
	const masterIntervalUs = draft.config.version === 3 ? advert.intervalMs * 1000 : draft.state.masterIntervalUs;
	draft.state = { ...draft.state, masterIntervalUs, heard: { source, priority: advert.priority, atUs: nowUs } };
	return draft;
}

/** Another one with a lower priority believes that it owns the addresses: it and the switches are set right at once. */
function answerLower(draft: Draft, { nowUs, advert, source }: EventOf<"advertReceived">): Draft {
	const { config, state, actions } = draft;
	actions.push(
		{ type: "count", reason: "lower_priority_heard" },
		{ type: "lowerPriorityHeard", source, priority: advert.priority },
	);
	// One answer serves all that came meanwhile: a flood of forged adverts is not to be made into a flood of ours.
	const gapUs = Math.min(config.advertIntervalMs * 250, 50_000);
	if (nowUs - state.answeredUs < gapUs) return draft;
	draft.state = { ...state, answeredUs: nowUs };
	if (config.advertOnLowerPriority) sayPriority(draft, state.priority);
	announceNow(draft, config.announce.lowerPriorityRepeat, config.announce.lowerPriorityDelayMs);
	return draft;
}

export function loseHeartbeat(draft: Draft, event: EventOf<"heartbeatLost">): Draft {
	const { config, state } = draft;
	if (!config.fastHeartbeat || state.role !== "BACKUP" || state.rank === undefined) return draft;
	const heartbeatUs = config.fastHeartbeat.intervalMs * 1000;
	// Somebody advertises although that peer is silent: it is not the master any more.
	if (state.heard && state.heard.atUs > event.lastHeardUs + heartbeatUs) return draft;
	draft.actions.push({ type: "count", reason: "heartbeat_lost" });
	// A lower master would not answer: it would let go, and nobody would own until the answer is waited for.
	const answers = !state.heard || state.heard.priority > state.priority;
	armFast(draft, state.rank * heartbeatUs, answers ? "wanted" : "none");
	return draft;
}

/** A Keepmesh master that is worse than this backup: there is no need to wait for the down timer before preempting it. */
export function hearHeartbeat(draft: Draft, event: EventOf<"heartbeatHeard">): Draft {
	const { config, state, nowUs } = draft;
	if (state.role === "BACKUP" && event.role === "BACKUP") return hearSteppingBack(draft, event.peer);
	if (state.role !== "BACKUP" || event.role !== "MASTER" || event.priority >= state.priority) return draft;
	if (!config.preempt || config.preemptDelayMs > 0 || state.yielded || state.rank !== 0) return draft;
	if (nowUs < state.backupSinceUs + downIntervalUs(config, state.priority, state.masterIntervalUs)) return draft;
	armFast(draft, 0, "none");
	return draft;
}

/**
 * The master is a backup now, and nobody has advertised after it: whom it left the addresses to may have changed its mind. The other
 * one's advert may still be on its way, so it is waited for, and then asked for.
 */
function hearSteppingBack(draft: Draft, peer: string): Draft {
	const { config, state } = draft;
	if (!config.fastHeartbeat || state.rank === undefined || state.heard?.source !== peer) return draft;
	return armFast(draft, (state.rank + 1) * config.fastHeartbeat.intervalMs * 1000, "wanted");
}
