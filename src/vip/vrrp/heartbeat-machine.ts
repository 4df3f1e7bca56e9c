// Who of the Keepmesh nodes on a link is alive, judged within a few tens of milliseconds. In: messages heard, timers, what the
// own virtual routers are. Out: messages to send, and events for the own virtual routers. A peer counts as gone after
// `missed` intervals without a word, or later where its messages come unevenly or this process itself stands still.

import type { HeartbeatEntry, HeartbeatMessage } from "./heartbeat-message.ts";
import type { InstanceEvent } from "./instance-state.ts";
import { even, noteUneven, type Unevenness } from "./unevenness.ts";

export interface HeartbeatConfig {
	/** `nodeHash` of this node. */
	readonly node: number;
	readonly incarnation: bigint;
	readonly intervalUs: number;
	readonly missed: number;
}

export interface HeartbeatState {
	readonly sequence: number;
	readonly sendDueUs: number;
	/** Of the own send timer. */
	readonly lateness: Unevenness;
	/** By `entryKey`. */
	readonly own: ReadonlyMap<string, HeartbeatEntry>;
	/** By source address. */
	readonly peers: ReadonlyMap<string, HeartbeatPeer>;
	/** Those that fell silent: one that comes back without a new start was not gone. */
	readonly silent: ReadonlyMap<string, HeartbeatPeer>;
	/** What the own virtual routers were told. */
	readonly ranks: ReadonlyMap<string, number>;
	/** When the check timer is due. */
	readonly checkDueUs: number | undefined;
}

export interface HeartbeatPeer {
	readonly node: number;
	readonly incarnation: bigint;
	readonly sequence: number;
	readonly heardUs: number;
	readonly intervalUs: number;
	/** What the peer says of its own timers. */
	readonly latenessUs: number;
	/** Between two messages. */
	readonly gaps: Unevenness;
	/** It was given more time once, because this process was late itself. */
	readonly graceUntilUs: number | undefined;
	readonly entries: ReadonlyMap<string, HeartbeatEntry>;
}

export type HeartbeatEvent =
	| { readonly type: "started"; readonly nowUs: number }
	/** An own virtual router became something else. Said at once, not with the next beat. */
	| { readonly type: "ownChanged"; readonly nowUs: number; readonly entry: HeartbeatEntry }
	| { readonly type: "ownRemoved"; readonly nowUs: number; readonly key: string }
	| {
			readonly type: "messageReceived";
			readonly nowUs: number;
			readonly source: string;
			readonly message: HeartbeatMessage;
	  }
	| {
			readonly type: "timerExpired";
			readonly nowUs: number;
			readonly timer: HeartbeatTimer;
			readonly dueUs: number;
	  };

export type HeartbeatTimer = "send" | "check";

export type HeartbeatAction =
	| { readonly type: "send"; readonly message: HeartbeatMessage }
	| { readonly type: "setTimer"; readonly timer: HeartbeatTimer; readonly dueUs: number }
	| { readonly type: "cancelTimer"; readonly timer: HeartbeatTimer }
	/** For the own virtual router with that `entryKey`. */
	| { readonly type: "tell"; readonly key: string; readonly event: InstanceEvent }
	| { readonly type: "peerChanged"; readonly peer: string; readonly alive: boolean; readonly because: string }
	| { readonly type: "count"; readonly reason: "heartbeat_replay" | "heartbeat_late" | "heartbeat_peers_err" };

export interface HeartbeatStep {
	readonly state: HeartbeatState;
	readonly actions: readonly HeartbeatAction[];
}

interface Draft {
	readonly config: HeartbeatConfig;
	readonly nowUs: number;
	state: HeartbeatState;
	readonly actions: HeartbeatAction[];
}

const mostPeers = 32;
const shortestIntervalUs = 5_000;
const longestIntervalUs = 1_000_000;
/** An interval is never stretched by more than this, however uneven it gets. */
const mostStretch = 10;
/** What was longer than so many intervals was an outage; it is not to be remembered for long. */
const longestGapBeats = 20;
/** Then a start with a clock that was set back passes as well. */
const silentMemoryUs = 60_000_000;

export const initialHeartbeatState: HeartbeatState = {
	sequence: 0,
	sendDueUs: 0,
	lateness: even,
	own: new Map(),
	peers: new Map(),
	silent: new Map(),
	ranks: new Map(),
	checkDueUs: undefined,
};

/** Names a virtual router on its link. */
export function entryKey(entry: Pick<HeartbeatEntry, "family" | "virtualRouterId">): string {
	return `${entry.family}/${entry.virtualRouterId}`;
}

/** When a peer counts as gone unless it is heard again. */
export function peerDeadlineUs(peer: HeartbeatPeer, missed: number): number {
	const plainUs = missed * peer.intervalUs;
	const unevenUs = 1.5 * Math.max(peer.gaps.secondUs, peer.intervalUs + peer.latenessUs);
	const deadline = peer.heardUs + Math.min(Math.max(plainUs, unevenUs), mostStretch * plainUs);
	return Math.max(deadline, peer.graceUntilUs ?? 0);
}

export function stepHeartbeat(config: HeartbeatConfig, state: HeartbeatState, event: HeartbeatEvent): HeartbeatStep {
	const draft: Draft = { config, nowUs: event.nowUs, state, actions: [] };
	switch (event.type) {
		case "started":
			draft.state = { ...state, sendDueUs: event.nowUs };
			send(draft);
			break;
		case "ownChanged":
			changeOwn(draft, event.entry);
			break;
		case "ownRemoved":
			draft.state = { ...state, own: without(state.own, event.key), ranks: without(state.ranks, event.key) };
			break;
		case "messageReceived":
			hear(draft, event.source, event.message);
			break;
		case "timerExpired":
			if (event.timer === "send") {
				const lateUs = event.nowUs - event.dueUs;
				draft.state = { ...state, lateness: noteUneven(state.lateness, Math.max(0, lateUs)) };
				send(draft);
			} else {
				draft.state = { ...state, checkDueUs: undefined };
				check(draft, event.nowUs - event.dueUs);
			}
			break;
		default:
			event satisfies never;
	}
	return { state: draft.state, actions: draft.actions };
}

/** On a schedule, so that late timers do not add up. */
function send(draft: Draft): void {
	const { config, nowUs, state } = draft;
	const next = state.sendDueUs + config.intervalUs;
	const sendDueUs = next > nowUs ? next : nowUs + config.intervalUs;
	draft.state = { ...state, sendDueUs };
	say(draft);
	draft.actions.push({ type: "setTimer", timer: "send", dueUs: sendDueUs });
}

function say(draft: Draft): void {
	const { config, state } = draft;
	const sequence = (state.sequence + 1) >>> 0;
	draft.state = { ...state, sequence };
	draft.actions.push({
		type: "send",
		message: {
			incarnation: config.incarnation,
			sequence,
			intervalUs: config.intervalUs,
			latenessUs: Math.min(Math.round(state.lateness.secondUs), longestIntervalUs),
			node: config.node,
			entries: [...state.own.values()],
		},
	});
}

function changeOwn(draft: Draft, entry: HeartbeatEntry): void {
	const key = entryKey(entry);
	if (sameEntry(draft.state.own.get(key), entry)) return;
	draft.state = { ...draft.state, own: new Map(draft.state.own).set(key, entry) };
	say(draft);
	tellRank(draft, key);
}

function hear(draft: Draft, source: string, message: HeartbeatMessage): void {
	const { state, actions, nowUs } = draft;
	const known = state.peers.get(source);
	const silent = state.silent.get(source);
	const before = known ?? (silent && nowUs - silent.heardUs < silentMemoryUs ? silent : undefined);
	const restarted = before !== undefined && message.incarnation !== before.incarnation;
	if (before && (restarted ? message.incarnation < before.incarnation : !isAfter(message.sequence, before.sequence))) {
		actions.push({ type: "count", reason: "heartbeat_replay" });
		return;
	}
	if (!known && state.peers.size >= mostPeers) {
		actions.push({ type: "count", reason: "heartbeat_peers_err" });
		return;
	}
	const intervalUs = Math.min(longestIntervalUs, Math.max(shortestIntervalUs, message.intervalUs));
	const entries = known && sameEntries(known.entries, message.entries) ? known.entries : entriesOf(message.entries);
	const peer: HeartbeatPeer = {
		node: message.node,
		incarnation: message.incarnation,
		sequence: message.sequence,
		heardUs: nowUs,
		intervalUs,
		latenessUs: message.latenessUs,
		gaps: before && !restarted ? gapsWith(before, !known, nowUs) : even,
		graceUntilUs: undefined,
		entries,
	};
	draft.state = { ...state, peers: new Map(state.peers).set(source, peer), silent: without(state.silent, source) };
	if (!known) actions.push({ type: "peerChanged", peer: source, alive: true, because: "its heartbeats are heard" });
	if (entries !== known?.entries) compareEntries(draft, source, known?.entries, entries);
	armCheck(draft);
}

/** A silence that was taken for the end, and was none, counts twice: it must not be taken for that again. */
function gapsWith(before: HeartbeatPeer, wasSilent: boolean, nowUs: number): Unevenness {
	const gapUs = Math.min(nowUs - before.heardUs, longestGapBeats * before.intervalUs);
	const gaps = noteUneven(before.gaps, gapUs);
	return wasSilent ? noteUneven(gaps, gapUs) : gaps;
}

function compareEntries(
	draft: Draft,
	source: string,
	before: ReadonlyMap<string, HeartbeatEntry> | undefined,
	now: ReadonlyMap<string, HeartbeatEntry>,
): void {
	for (const [key, entry] of now) {
		if (!draft.state.own.has(key) || sameEntry(before?.get(key), entry)) continue;
		tellRank(draft, key);
		const { nowUs, config } = draft;
		const { role, priority } = entry;
		draft.actions.push({ type: "tell", key, event: { type: "heartbeatHeard", nowUs, peer: source, role, priority } });
		if (role === "MASTER" && entry.successor === config.node)
			draft.actions.push({
				type: "tell",
				key,
				event: { type: "claimRequested", nowUs, because: `${source} hands over to this node` },
			});
	}
	for (const key of before?.keys() ?? []) if (!now.has(key)) tellRank(draft, key);
}

function check(draft: Draft, lateUs: number): void {
	const { config, nowUs } = draft;
	const stoodStill = lateUs > config.intervalUs / 2;
	for (const [source, peer] of draft.state.peers) {
		if (nowUs < peerDeadlineUs(peer, config.missed)) continue;
		if (stoodStill && peer.graceUntilUs === undefined) {
			draft.actions.push({ type: "count", reason: "heartbeat_late" });
			const graceUntilUs = nowUs + Math.ceil(1.5 * peer.intervalUs);
			draft.state = { ...draft.state, peers: new Map(draft.state.peers).set(source, { ...peer, graceUntilUs }) };
		} else lose(draft, source, peer);
	}
	armCheck(draft);
}

function lose(draft: Draft, source: string, peer: HeartbeatPeer): void {
	const { nowUs, actions } = draft;
	const silent = draft.state.silent.size < mostPeers ? new Map(draft.state.silent) : new Map<string, HeartbeatPeer>();
	draft.state = { ...draft.state, peers: without(draft.state.peers, source), silent: silent.set(source, peer) };
	const silentMs = Math.round((nowUs - peer.heardUs) / 1000);
	actions.push({ type: "peerChanged", peer: source, alive: false, because: `not heard for ${silentMs} ms` });
	for (const [key, entry] of peer.entries) {
		if (!draft.state.own.has(key)) continue;
		const event = { type: "heartbeatLost", nowUs, peer: source, lastHeardUs: peer.heardUs } as const;
		if (entry.role === "MASTER") actions.push({ type: "tell", key, event });
		tellRank(draft, key);
	}
}

/** One timer for the peer that would be gone first. */
function armCheck(draft: Draft): void {
	const { state, config } = draft;
	let dueUs = Number.POSITIVE_INFINITY;
	for (const peer of state.peers.values()) dueUs = Math.min(dueUs, peerDeadlineUs(peer, config.missed));
	if (dueUs === Number.POSITIVE_INFINITY) {
		if (state.checkDueUs !== undefined) draft.actions.push({ type: "cancelTimer", timer: "check" });
		draft.state = { ...state, checkDueUs: undefined };
		return;
	}
	// A timer that is armed for earlier finds the later deadline itself: that saves arming it with each message.
	if (state.checkDueUs !== undefined && state.checkDueUs <= dueUs && state.checkDueUs > draft.nowUs) return;
	dueUs = Math.ceil(Math.max(dueUs, draft.nowUs));
	draft.state = { ...state, checkDueUs: dueUs };
	draft.actions.push({ type: "setTimer", timer: "check", dueUs });
}

/** How many live backups are better; told only when it changed. */
function tellRank(draft: Draft, key: string): void {
	const own = draft.state.own.get(key);
	if (!own) return;
	let known = false;
	let rank = 0;
	let masters = 0;
	for (const peer of draft.state.peers.values()) {
		const entry = peer.entries.get(key);
		if (!entry) continue;
		known = true;
		if (entry.role === "MASTER") masters++;
		if (entry.role === "BACKUP" && isBetter(entry.priority, peer.node, own.priority, draft.config.node)) rank++;
	}
	// A second master is the successor of the first: there is no hurry to be a third one.
	if (masters > 1) rank += masters - 1;
	const now = known ? rank : undefined;
	if (draft.state.ranks.get(key) === now) return;
	const ranks = new Map(draft.state.ranks);
	if (now === undefined) ranks.delete(key);
	else ranks.set(key, now);
	draft.state = { ...draft.state, ranks };
	draft.actions.push({ type: "tell", key, event: { type: "rankChanged", nowUs: draft.nowUs, rank: now } });
}

function isBetter(priority: number, node: number, thanPriority: number, thanNode: number): boolean {
	return priority > thanPriority || (priority === thanPriority && node > thanNode);
}

/** RFC 1982. */
function isAfter(a: number, b: number): boolean {
	return ((a - b) | 0) > 0;
}

function sameEntry(a: HeartbeatEntry | undefined, b: HeartbeatEntry): boolean {
	return a?.role === b.role && a.priority === b.priority && a.successor === b.successor;
}

function sameEntries(known: ReadonlyMap<string, HeartbeatEntry>, entries: readonly HeartbeatEntry[]): boolean {
	return known.size === entries.length && entries.every((entry) => sameEntry(known.get(entryKey(entry)), entry));
}

function entriesOf(entries: readonly HeartbeatEntry[]): ReadonlyMap<string, HeartbeatEntry> {
	return new Map(entries.map((entry) => [entryKey(entry), entry]));
}

function without<Value>(map: ReadonlyMap<string, Value>, key: string): ReadonlyMap<string, Value> {
	if (!map.has(key)) return map;
	const rest = new Map(map);
	rest.delete(key);
	return rest;
}
