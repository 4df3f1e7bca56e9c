// From results of checks and facts about peers to what each instance is told: its priority, and why it must not own. One
// machine for a process. keepalived's configurations run with no hold-down and `whenAllFail: release`, which is keepalived's way.

import type { InstanceConfig, VipConfig } from "../vip-config.ts";
import { countMove, startMoves } from "./hold-down.ts";
import { instanceHealth } from "./instance-health.ts";
import { livingOwner, settle } from "./instance-policy.ts";
import type { TrackingConfig } from "./tracked-weights.ts";
import { carryTracker, startTracker, type TrackerState, takeResult } from "./tracker-state.ts";
import { indexTracking } from "./tracking-index.ts";
import type {
	HeardOwner,
	InstanceTracking,
	TrackingAction,
	TrackingEvent,
	TrackingState,
	TrackingStep,
} from "./tracking-state.ts";

export const emptyTracking: TrackingState = { trackers: new Map(), instances: new Map(), timerUs: undefined };

export function stepTracking(config: TrackingConfig, state: TrackingState, event: TrackingEvent): TrackingStep {
	switch (event.type) {
		case "started":
			return start(config, event.nowUs, event.owned ?? []);
		case "trackerResult":
			return trackerResult(config, state, event);
		case "trackerRefused":
			return trackerRefused(config, state, event);
		case "timerExpired":
			return settleAll(config, { ...state, timerUs: undefined }, event.nowUs, []);
		case "advertHeard":
		case "heartbeatHeard":
		case "heartbeatLost":
		case "roleChanged": {
			const instance = state.instances.get(event.instance);
			const indexed = indexTracking(config).instances.get(event.instance);
			if (!instance || !indexed) return { state, actions: [] };
			const heard = instanceAfter(indexed.config, instance, event);
			if (heard === instance) return { state, actions: [] };
			return settleSome(config, state, new Map([[event.instance, heard]]), event.nowUs, []);
		}
		default:
			return event satisfies never;
	}
}

/** A new configuration takes over; what is known of trackers and peers that are still there stays, as keepalived has it. */
export function reloadTracking(
	before: TrackingConfig,
	config: TrackingConfig,
	state: TrackingState,
	nowUs: number,
): TrackingStep {
	const known = new Map(before.trackers.map((tracker) => [tracker.name, tracker]));
	const trackers = new Map(
		config.trackers.map((tracker) => [
			tracker.name,
			carryTracker(known.get(tracker.name), state.trackers.get(tracker.name), tracker, nowUs),
		]),
	);
	const changed = new Map<string, InstanceTracking>();
	for (const { config: instance, tracked } of indexTracking(config).instances.values()) {
		const health = instanceHealth(instance, tracked, trackers);
		const old = state.instances.get(instance.name);
		changed.set(instance.name, old ? { ...old, health } : startInstance(instance, health, nowUs, false));
	}
	return settleSome(config, { ...state, trackers, instances: new Map() }, changed, nowUs, [], state.instances);
}

function start(config: TrackingConfig, nowUs: number, owned: readonly string[]): TrackingStep {
	const trackers = new Map(config.trackers.map((tracker) => [tracker.name, startTracker(tracker, nowUs)]));
	const changed = new Map<string, InstanceTracking>();
	for (const { config: instance, tracked } of indexTracking(config).instances.values()) {
		const health = instanceHealth(instance, tracked, trackers);
		changed.set(instance.name, startInstance(instance, health, nowUs, owned.includes(instance.name)));
	}
	return settleSome(config, { trackers, instances: new Map(), timerUs: undefined }, changed, nowUs, []);
}

function startInstance(
	config: InstanceConfig,
	health: InstanceTracking["health"],
	nowUs: number,
	lastOwner: boolean,
): InstanceTracking {
	return {
		health,
		priority: config.priority,
		faults: [],
		role: "INIT",
		lastOwner,
		dead: { phase: "no" },
		owner: undefined,
		ownerPeak: 0,
		resigned: undefined,
		ownerHeardUs: nowUs,
		standbys: new Map(),
		hearsHeartbeats: false,
		moves: startMoves(config.health, nowUs),
		deferredUntilUs: undefined,
		because: "",
	};
}

function trackerResult(
	config: TrackingConfig,
	state: TrackingState,
	event: Extract<TrackingEvent, { type: "trackerResult" }>,
): TrackingStep {
	const tracker = indexTracking(config).trackers.get(event.tracker);
	const old = state.trackers.get(event.tracker);
	if (!tracker || !old) return { state, actions: [] };
	const taken = takeResult(tracker, old, event, event.nowUs);
	if (taken.state === old) return { state, actions: [] };
	const trackers = new Map(state.trackers).set(event.tracker, taken.state);
	if (!taken.changed) return { state: { ...state, trackers }, actions: [] };
	const changed = changedHealth(config, state, trackers, event.tracker);
	return settleSome(config, { ...state, trackers }, changed, event.nowUs, [trackerChanged(event.tracker, taken.state)]);
}

function trackerRefused(
	config: TrackingConfig,
	state: TrackingState,
	event: Extract<TrackingEvent, { type: "trackerRefused" }>,
): TrackingStep {
	const old = state.trackers.get(event.tracker);
	if (!old || old.refused === event.because) return { state, actions: [] };
	const refused: TrackerState = { ...old, refused: event.because, because: event.because, sinceUs: event.nowUs };
	const trackers = new Map(state.trackers).set(event.tracker, refused);
	const changed = changedHealth(config, state, trackers, event.tracker);
	return settleSome(config, { ...state, trackers }, changed, event.nowUs, []);
}

function trackerChanged(tracker: string, state: TrackerState): TrackingAction {
	return {
		type: "trackerChanged",
		tracker,
		status: state.health.status === "up" ? "up" : "down",
		...(state.value === undefined ? {} : { value: state.value }),
		because: state.because,
	};
}

function changedHealth(
	config: TrackingConfig,
	state: TrackingState,
	trackers: ReadonlyMap<string, TrackerState>,
	tracker: string,
): ReadonlyMap<string, InstanceTracking> {
	const changed = new Map<string, InstanceTracking>();
	const index = indexTracking(config);
	for (const name of index.trackedBy.get(tracker) ?? []) {
		const instance = state.instances.get(name);
		const indexed = index.instances.get(name);
		if (instance && indexed)
			changed.set(name, { ...instance, health: instanceHealth(indexed.config, indexed.tracked, trackers) });
	}
	return changed;
}

type PeerEvent = Exclude<TrackingEvent, { type: "started" | "trackerResult" | "trackerRefused" | "timerExpired" }>;

/** The same object when the event says nothing new. */
function instanceAfter(config: InstanceConfig, instance: InstanceTracking, event: PeerEvent): InstanceTracking {
	const { nowUs } = event;
	switch (event.type) {
		case "advertHeard":
			return event.priority === 0
				? ownerLeft(instance, event.peer, nowUs)
				: ownerHeard(config, instance, event, event.intervalUs ?? config.advertIntervalMs * 1000);
		case "heartbeatHeard": {
			const known = instance.standbys.get(event.peer);
			let next = instance;
			if (known?.role !== event.role || known.priority !== event.priority) {
				const standbys = new Map(instance.standbys).set(event.peer, { role: event.role, priority: event.priority });
				next = { ...instance, standbys, hearsHeartbeats: true };
			}
			if (event.role === "MASTER") return ownerHeard(config, next, event, config.advertIntervalMs * 1000);
			return ownerLeft(next, event.peer, nowUs);
		}
		case "heartbeatLost": {
			const standbys = new Map(instance.standbys);
			standbys.delete(event.peer);
			const owner = instance.owner?.peer === event.peer ? undefined : instance.owner;
			return { ...instance, standbys, owner };
		}
		case "roleChanged":
			return roleChanged(config, instance, event, nowUs);
		default:
			return event satisfies never;
	}
}

function ownerLeft(instance: InstanceTracking, peer: string, nowUs: number): InstanceTracking {
	if (instance.owner?.peer !== peer) return instance;
	return { ...instance, owner: undefined, resigned: { peer, atUs: nowUs } };
}

/** Its adverts come: nobody takes over from one that speaks but by a higher priority. */
function speaks(config: InstanceConfig, owner: HeardOwner | undefined, nowUs: number): boolean {
	return owner !== undefined && nowUs - owner.heardUs < Math.max(1, config.downAfterAdverts - 0.5) * owner.intervalUs;
}

/** An owner that lives gave way: it was heard lately, or let go just now and still says that it could own. */
function ownerGaveWay(config: InstanceConfig, instance: InstanceTracking, nowUs: number): boolean {
	if (speaks(config, livingOwner(config, instance, nowUs), nowUs)) return true;
	const { resigned } = instance;
	if (!resigned || nowUs > resigned.atUs + (config.downAfterAdverts + 1) * config.advertIntervalMs * 1000) return false;
	const standby = instance.standbys.get(resigned.peer);
	return standby !== undefined && standby.priority > 0 && (standby.role === "BACKUP" || standby.role === "MASTER");
}

function ownerHeard(
	config: InstanceConfig,
	instance: InstanceTracking,
	heard: { readonly peer: string; readonly priority: number; readonly nowUs: number },
	intervalUs: number,
): InstanceTracking {
	const { peer, priority, nowUs } = heard;
	const { owner } = instance;
	const same = owner?.peer === peer && owner.priority === priority && owner.intervalUs === intervalUs;
	// Adverts come often: most of them change nothing that matters here.
	if (same && nowUs - owner.heardUs < intervalUs / 2) return instance;
	const before = livingOwner(config, instance, nowUs);
	// Seen by a third node: one owner gave way to another while it was alive.
	const moved = before?.peer !== peer && speaks(config, before, nowUs) && config.health.holdDownMs > 0;
	return {
		...instance,
		owner: { peer, priority, heardUs: nowUs, intervalUs },
		ownerPeak: owner?.peer === peer ? Math.max(instance.ownerPeak, priority) : priority,
		ownerHeardUs: nowUs,
		lastOwner: instance.role === "MASTER" && instance.lastOwner,
		moves: moved ? countMove(config.health, instance.moves, nowUs) : instance.moves,
	};
}

function roleChanged(
	config: InstanceConfig,
	instance: InstanceTracking,
	event: Extract<TrackingEvent, { type: "roleChanged" }>,
	nowUs: number,
): InstanceTracking {
	if (instance.role === event.role) return instance;
	const took = event.role === "MASTER" && ownerGaveWay(config, instance, nowUs);
	const gaveWay = instance.role === "MASTER" && event.role === "BACKUP";
	const free = (took || gaveWay) && event.forced !== true && config.health.holdDownMs > 0;
	return {
		...instance,
		role: event.role,
		lastOwner: event.role === "MASTER" || (instance.lastOwner && !(gaveWay && instance.owner !== undefined)),
		owner: event.role === "MASTER" ? undefined : instance.owner,
		resigned: undefined,
		moves: free ? countMove(config.health, instance.moves, nowUs) : instance.moves,
	};
}

function settleAll(
	config: TrackingConfig,
	state: TrackingState,
	nowUs: number,
	actions: readonly TrackingAction[],
): TrackingStep {
	return settleSome(config, state, state.instances, nowUs, actions);
}

function settleSome(
	config: TrackingConfig,
	state: TrackingState,
	changed: ReadonlyMap<string, InstanceTracking>,
	nowUs: number,
	before: readonly TrackingAction[],
	told: ReadonlyMap<string, InstanceTracking> = state.instances,
): TrackingStep {
	const actions = [...before];
	const instances = new Map(state.instances);
	let wakeUs = state.timerUs;
	const index = indexTracking(config);
	for (const [name, facts] of changed) {
		const indexed = index.instances.get(name);
		if (!indexed) continue;
		const settled = settle(indexed.config, facts, nowUs);
		instances.set(name, settled.instance);
		tell(name, told.get(name), settled.instance, actions);
		if (settled.note) actions.push({ type: "note", instance: name, because: settled.note });
		if (settled.wakeUs !== undefined && (wakeUs === undefined || settled.wakeUs < wakeUs)) wakeUs = settled.wakeUs;
	}
	if (wakeUs !== undefined && wakeUs !== state.timerUs) actions.push({ type: "setTimer", dueUs: wakeUs });
	return { state: { ...state, instances, timerUs: wakeUs }, actions };
}

/** Faults come first when they begin, the priority first when they end: nothing is claimed with a priority of before. */
function tell(
	instance: string,
	before: InstanceTracking | undefined,
	now: InstanceTracking,
	actions: TrackingAction[],
): void {
	const priority: TrackingAction = {
		type: "priorityChanged",
		instance,
		priority: now.priority,
		because: now.because,
	};
	const priorityDiffers = before?.priority !== now.priority;
	if (!before || before.faults.join("\n") !== now.faults.join("\n")) {
		const waiting = now.faults.length > 0 && now.health.faults.length === 0;
		const fault: TrackingAction = {
			type: "faultChanged",
			instance,
			reasons: now.faults,
			waiting,
			because: now.because,
		};
		if (now.faults.length > 0) actions.push(fault);
		if (priorityDiffers) actions.push(priority);
		if (now.faults.length === 0) actions.push(fault);
	} else if (priorityDiffers) actions.push(priority);
}

/** Of what a process runs, the part that this machine reads. */
export function trackingConfigOf(config: VipConfig): TrackingConfig {
	return { instances: config.instances, groups: config.groups, trackers: config.trackers };
}
