// A lease as a witness beside VRRP: it says who goes first where VRRP cannot tell, and decides nothing else. In: roles and
// adverts of one virtual router, answers of the store. Out: what the store is asked, and advice: a claim of a node that hears
// nobody waits once, for a bounded time, when another node holds the lease; of two masters with the same priority the holder
// stays. No answer of the store ever makes a node give an address up or refuse it.

import { deciding, letGo } from "./decide-by-lease.ts";
import { disagreementOf, holdsLease, mayAcquire, othersLease, waitsFor, wantsLease } from "./election-rules.ts";
import type {
	ElectionAction,
	ElectionConfig,
	ElectionEvent,
	ElectionState,
	ElectionStep,
	LeaseOperation,
} from "./election-state.ts";
import type { LeaseClaim, LeaseOutcome, LeaseRecord, StoredLease } from "./lease-store.ts";

type EventOf<Type extends ElectionEvent["type"]> = Extract<ElectionEvent, { readonly type: Type }>;

interface Draft {
	readonly config: ElectionConfig;
	readonly nowUs: number;
	state: ElectionState;
	readonly actions: ElectionAction[];
}

/** Of two masters with the same priority the lower address may stay for so many intervals: time for the other to go. */
const tieIntervals = 3;
/** Somebody else was quicker: who it was is read then. */
const afterConflictUs = 20_000;

export function initialElection(config: ElectionConfig): ElectionState {
	return {
		role: "INIT",
		reason: "not started",
		address: "",
		heardMaster: undefined,
		campaignFromUs: 0,
		observed: undefined,
		operation: undefined,
		lastId: 0,
		again: false,
		stale: false,
		seed: seedOf(config.identity),
		unreachable: undefined,
		wait: undefined,
		tie: undefined,
		disagreement: undefined,
	};
}

export function stepElection(config: ElectionConfig, state: ElectionState, event: ElectionEvent): ElectionStep {
	const draft: Draft = { config, nowUs: event.nowUs, state, actions: [] };
	step(draft, event);
	stopWaitingForNobody(draft);
	const lost = letGo(config, draft.state, event);
	if (lost !== undefined) draft.actions.push({ type: "yield", because: lost });
	return { state: draft.state, actions: draft.actions };
}

function step(draft: Draft, event: ElectionEvent): Draft {
	const { state, nowUs } = draft;
	switch (event.type) {
		case "roleChanged":
			return changeRole(draft, event);
		case "advertHeard":
			if (state.role !== "BACKUP" && state.role !== "MASTER") return draft;
			draft.state = { ...state, heardMaster: { source: event.source, atUs: nowUs } };
			// A candidate that took the lease gives it to the owner it hears.
			return state.role === "BACKUP" && !state.heardMaster && isOwn(draft) ? lookNow(draft) : draft;
		case "claimDue":
			return adviseClaim(draft);
		case "equalHeard":
			return adviseTie(draft, event.source);
		case "conflictHeard":
			return draft;
		case "timerExpired":
			return expire(draft);
		case "storeAnswered":
			// Answers that nobody waits for any more are not believed: they may be of long ago.
			return event.id === state.operation?.id ? hearStore(draft, state.operation, event.outcome) : draft;
		default:
			return event satisfies never;
	}
}

function changeRole(draft: Draft, event: EventOf<"roleChanged">): Draft {
	const { config, state, nowUs } = draft;
	const { role, priority, address, because } = event;
	const fresh = role === "BACKUP" && state.role !== "MASTER" && state.role !== "BACKUP";
	const skewUs = ((256 - priority) / 256) * config.advertIntervalMs * 1000;
	draft.state = {
		...state,
		role,
		address,
		reason: `${role}, priority ${priority}: ${because}`,
		tie: undefined,
		...(fresh ? { heardMaster: undefined, campaignFromUs: nowUs + skewUs } : {}),
		...(fresh || role !== "BACKUP" ? { wait: undefined } : {}),
	};
	return lookNow(draft);
}

function adviseClaim(draft: Draft): Draft {
	const { config, state, nowUs, actions } = draft;
	const holder = waitsFor(config, state, nowUs);
	if (config.decides) return holder === undefined ? draft : holdBack(draft);
	if (holder === undefined || state.wait?.over) return draft;
	const untilUs = state.wait?.untilUs ?? nowUs + config.maxDelayMs * 1000;
	const over = nowUs >= untilUs;
	draft.state = { ...state, wait: { untilUs, over } };
	if (!over) actions.push({ type: "wait", untilUs });
	if (over)
		actions.push({ type: "note", because: `${holder} holds the lease, and no advert of it came: claims all the same` });
	if (over || state.wait) return draft;
	actions.push({
		type: "note",
		because: `${holder} holds the lease, and nobody is heard: lets it go first for ${config.maxDelayMs} ms`,
	});
	return lookNow(draft);
}

/** Asked again and again, until the lease is this node's. */
function holdBack(draft: Draft): Draft {
	const untilUs = draft.nowUs + draft.config.retryMs * 1000;
	draft.state = { ...draft.state, wait: { untilUs, over: false } };
	draft.actions.push({ type: "wait", untilUs });
	return draft;
}

/** Also when the holder went away, the store cannot be reached, or an advert came. */
function stopWaitingForNobody(draft: Draft): Draft {
	const { config, state, nowUs } = draft;
	if (!state.wait || state.wait.over || waitsFor(config, state, nowUs) !== undefined) return draft;
	draft.state = { ...state, wait: { ...state.wait, over: true } };
	draft.actions.push({ type: "stopWaiting" });
	return draft;
}

/**
 * The holder stays for a few intervals although its address is lower. The other one goes when it has spoken itself and still
 * hears the holder: by VRRP alone that one would have gone. So never both go.
 */
function adviseTie(draft: Draft, source: string): Draft {
	const { config, state, nowUs, actions } = draft;
	if (state.role !== "MASTER") return draft;
	const intervalUs = config.advertIntervalMs * 1000;
	const known = state.tie;
	const goesOn = known?.source === source && nowUs - known.lastUs <= tieIntervals * intervalUs;
	const tie = goesOn
		? { ...known, lastUs: nowUs }
		: { source, sinceUs: nowUs, lastUs: nowUs, ours: !state.unreachable && holdsLease(config, state, nowUs) };
	draft.state = { ...state, tie };
	const forUs = nowUs - tie.sinceUs;
	if (tie.ours && forUs <= tieIntervals * intervalUs) actions.push({ type: "tie", stays: "self" });
	// Not when the holder's time to stay may be over as well.
	if (tie.ours || forUs < 0.9 * intervalUs || forUs > (tieIntervals - 1) * intervalUs) return draft;
	if (othersLease(config, state, nowUs)?.record.address === source) actions.push({ type: "tie", stays: "other" });
	return draft;
}

function expire(draft: Draft): Draft {
	const { operation } = draft.state;
	if (!operation) return act(draft);
	const { config, nowUs } = draft;
	const untilUs = operation.startedUs + config.operationTimeoutMs * 1000;
	if (nowUs < untilUs) return arm(draft, untilUs);
	const message = `no answer within ${config.operationTimeoutMs} ms`;
	return hearStore(draft, operation, { ok: false, because: "unreachable", message });
}

function hearStore(draft: Draft, operation: LeaseOperation, outcome: LeaseOutcome): Draft {
	const { nowUs } = draft;
	const { again } = draft.state;
	draft.state = { ...draft.state, operation: undefined, again: false, stale: !outcome.ok };
	if (outcome.ok) observe(draft, outcome.lease, operation.type === "read" ? undefined : operation.startedUs);
	if (outcome.ok || outcome.because === "conflict") reach(draft);
	else lose(draft, outcome.message);
	followDisagreement(draft);
	if (!outcome.ok) return arm(draft, nowUs + (outcome.because === "conflict" ? afterConflictUs : pauseUs(draft)));
	if (operation.type === "read") return actOn(draft);
	const gives = isOwn(draft) && !wantsLease(draft.state);
	return again || gives ? act(draft) : arm(draft, nowUs + pauseUs(draft));
}

/** `writtenUs`: this node wrote it, and began then. */
function observe(draft: Draft, lease: StoredLease | undefined, writtenUs: number | undefined): Draft {
	const { state, nowUs } = draft;
	const before = state.observed;
	const same = before !== undefined && sameRecord(before.lease?.record, lease?.record);
	draft.state = {
		...state,
		observed: {
			lease,
			changedUs: same ? before.changedUs : nowUs,
			writtenUs: writtenUs ?? (same ? before.writtenUs : undefined),
		},
	};
	return draft;
}

function reach(draft: Draft): Draft {
	if (!draft.state.unreachable) return draft;
	draft.state = { ...draft.state, unreachable: undefined };
	draft.actions.push({ type: "note", because: "the lease can be reached again" });
	return draft;
}

function lose(draft: Draft, because: string): Draft {
	const { config, state, nowUs, actions } = draft;
	if (!state.unreachable)
		actions.push({ type: "warn", because: `the lease cannot be reached, ${deciding(config)}: ${because}` });
	draft.state = { ...state, unreachable: { because, sinceUs: state.unreachable?.sinceUs ?? nowUs } };
	return draft;
}

/** Role or adverts changed: at once, or as soon as the store has answered. */
function lookNow(draft: Draft): Draft {
	if (!draft.state.operation) return act(draft);
	draft.state = { ...draft.state, again: true };
	return draft;
}

/** A holder needs no look at its lease before it writes, unless the last answer was not what it expected. */
function act(draft: Draft): Draft {
	const { state } = draft;
	const lease = state.observed?.lease;
	if (lease && isOwn(draft) && !state.stale) return ask(draft, wantsLease(state) ? "renew" : "release", lease);
	const id = begin(draft, "read");
	draft.actions.push({ type: "read", id });
	return draft;
}

/** After a look at it. */
function actOn(draft: Draft): Draft {
	const { config, state, nowUs } = draft;
	const lease = state.observed?.lease;
	if (!wantsLease(state))
		return lease && isOwn(draft) ? ask(draft, "release", lease) : arm(draft, nowUs + pauseUs(draft));
	if (!mayAcquire(config, state, nowUs)) return arm(draft, nowUs + pauseUs(draft));
	if (state.role === "BACKUP" && nowUs < state.campaignFromUs) return arm(draft, state.campaignFromUs);
	const id = begin(draft, "acquire");
	draft.actions.push({ type: "acquire", id, claim: claimOf(draft), seen: lease });
	return draft;
}

function ask(draft: Draft, type: "renew" | "release", seen: StoredLease): Draft {
	const id = begin(draft, type);
	draft.actions.push({ type, id, claim: claimOf(draft), seen });
	// Whether the answer comes or not, from now on others may take it.
	const { observed } = draft.state;
	if (observed && type === "release") draft.state = { ...draft.state, observed: { ...observed, writtenUs: undefined } };
	return draft;
}

function begin(draft: Draft, type: LeaseOperation["type"]): number {
	const id = draft.state.lastId + 1;
	draft.state = { ...draft.state, lastId: id, operation: { id, type, startedUs: draft.nowUs } };
	arm(draft, draft.nowUs + draft.config.operationTimeoutMs * 1000);
	return id;
}

function claimOf({ config, state }: Draft): LeaseClaim {
	return {
		identity: config.identity,
		durationSeconds: Math.ceil(config.durationMs / 1000),
		reason: state.reason,
		address: state.address,
	};
}

/** A holder renews at a third of the duration, or up to a fifth sooner, so that many instances do not ask at once. */
function pauseUs(draft: Draft): number {
	const { config, state, nowUs } = draft;
	const seed = (Math.imul(state.seed, 1664525) + 1013904223) >>> 0;
	draft.state = { ...state, seed };
	const holds = holdsLease(config, state, nowUs) && !state.unreachable;
	const waits = state.wait && !state.wait.over && !config.decides;
	const retryMs = waits ? Math.min(config.retryMs, config.maxDelayMs / 5) : config.retryMs;
	const pauseMs = holds ? config.durationMs / 3 : retryMs;
	return pauseMs * 1000 * (1 - seed / 2 ** 32 / 5);
}

function followDisagreement(draft: Draft): Draft {
	const { config, state, nowUs, actions } = draft;
	const because = disagreementOf(config, state, nowUs);
	const { disagreement } = state;
	if (because === undefined) {
		draft.state = { ...state, disagreement: undefined };
		if (disagreement?.told) actions.push({ type: "note", because: "lease and VRRP agree again" });
		return draft;
	}
	const sinceUs = disagreement?.sinceUs ?? nowUs;
	const told = disagreement?.told === true;
	const tells = !told && nowUs - sinceUs >= config.disagreeAfterMs * 1000;
	draft.state = { ...state, disagreement: { because, sinceUs, told: told || tells } };
	if (tells) actions.push({ type: "warn", because: `lease and VRRP disagree: ${because}` });
	return draft;
}

function arm(draft: Draft, dueUs: number): Draft {
	draft.actions.push({ type: "setTimer", dueUs });
	return draft;
}

function isOwn({ config, state }: Draft): boolean {
	return state.observed?.lease?.record.holderIdentity === config.identity;
}

/** Renewed or taken by another; other edits of the object renew nothing. */
function sameRecord(one: LeaseRecord | undefined, other: LeaseRecord | undefined): boolean {
	return (
		one?.renewTime === other?.renewTime &&
		one?.holderIdentity === other?.holderIdentity &&
		one?.leaseTransitions === other?.leaseTransitions
	);
}

/** FNV-1a. */
function seedOf(text: string): number {
	let hash = 0x811c9dc5;
	for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
	return hash;
}
