// What an instance is told, given what its trackers and its peers say: `settle` is a function of the facts. A node that is
// dead lets go at once; when nobody else can own, `whenAllFail: hold` lets the last owner keep the address at priority 1; a
// change of priority that would move the address of free will waits for the end of the hold-down window.

import type { InstanceConfig } from "../vip-config.ts";
import { ownerPriority } from "../vrrp/effective-priority.ts";
import { nextMoveUs } from "./hold-down.ts";
import type { DeadPhase, HeardOwner, InstanceTracking } from "./tracking-state.ts";

/** Of a dead node that holds; where nodes may hold, no other has so little, so that it is known by it. */
export const heldPriority = 1;

export interface Settled {
	readonly instance: InstanceTracking;
	/** When it must be settled again though nothing happens. */
	readonly wakeUs: number | undefined;
	readonly note: string | undefined;
}

export function settle(config: InstanceConfig, instance: InstanceTracking, nowUs: number): Settled {
	const { health } = instance;
	const wakes: number[] = [];
	const dead = deadPhase(config, instance, nowUs, wakes);
	const held = dead.phase === "held";
	const faults = held ? [] : health.faults.length > 0 ? health.faults : health.waiting;
	const wanted = wantedPriority(config, health.priority, held);
	const allowed = held ? { priority: wanted } : allowedPriority(config, instance, wanted, nowUs, wakes);
	const because = reasonOf(config, instance, dead, allowed.because);
	const next: InstanceTracking = {
		...instance,
		dead,
		priority: allowed.priority,
		faults,
		deferredUntilUs: allowed.untilUs,
		because,
	};
	const note = allowed.because && instance.deferredUntilUs === undefined ? allowed.because : undefined;
	return { instance: next, wakeUs: wakes.length > 0 ? Math.min(...wakes) : undefined, note };
}

/** A degraded node never has as little as a dead one that holds. */
export function wantedPriority(config: InstanceConfig, priority: number, held: boolean): number {
	if (priority === ownerPriority || config.health.whenAllFail === "release") return priority;
	return held ? heldPriority : Math.max(heldPriority + 1, priority);
}

/** Another node owns it and was heard lately enough. */
export function livingOwner(config: InstanceConfig, instance: InstanceTracking, nowUs: number): HeardOwner | undefined {
	if (instance.role === "MASTER") return undefined;
	return instance.owner && nowUs < silentAtUs(config, instance.owner) ? instance.owner : undefined;
}

/** The best priority among the nodes that could take over at once, as their heartbeats say; 0: there is none. */
export function bestStandby(instance: InstanceTracking): number {
	let best = 0;
	for (const standby of instance.standbys.values())
		if (standby.role === "BACKUP" || standby.role === "MASTER") best = Math.max(best, standby.priority);
	return best;
}

export function silentAtUs(config: InstanceConfig, owner: HeardOwner): number {
	return owner.heardUs + (config.downAfterAdverts + 1) * owner.intervalUs;
}

/** Time enough for any other node to take over and be heard. */
function graceUs(config: InstanceConfig): number {
	return (config.downAfterAdverts + 2) * config.advertIntervalMs * 1000;
}

function deadPhase(config: InstanceConfig, instance: InstanceTracking, nowUs: number, wakes: number[]): DeadPhase {
	const { health, dead } = instance;
	if (!health.holdable || config.health.whenAllFail === "release") return { phase: "no" };
	const owner = livingOwner(config, instance, nowUs);
	const released: DeadPhase = dead.phase === "released" ? dead : { phase: "released", sinceUs: nowUs };
	if (owner) {
		wakes.push(silentAtUs(config, owner));
		return released;
	}
	if (bestStandby(instance) > heldPriority) {
		// Somebody is able to take it. Should that one fail as well, the time counts from now.
		if (dead.phase !== "released") wakes.push(nowUs + graceUs(config));
		else if (nowUs < dead.sinceUs + graceUs(config)) wakes.push(dead.sinceUs + graceUs(config));
		return released;
	}
	if (dead.phase === "held") return dead;
	if (instance.lastOwner && instance.hearsHeartbeats)
		return { phase: "held", sinceUs: nowUs, because: "no other node that is alive can own it" };
	// Plain VRRP backups are silent: whether there is one shows only in that it takes over. The last owner is back first.
	const patienceUs = graceUs(config) * (instance.lastOwner ? 1 : 3);
	const sinceUs = Math.max(released.sinceUs, instance.ownerHeardUs);
	if (nowUs >= sinceUs + patienceUs) return { phase: "held", sinceUs: nowUs, because: "nobody took it over" };
	wakes.push(sinceUs + patienceUs);
	return released;
}

function allowedPriority(
	config: InstanceConfig,
	instance: InstanceTracking,
	wanted: number,
	nowUs: number,
	wakes: number[],
): { readonly priority: number; readonly untilUs?: number; readonly because?: string } {
	const untilUs = nextMoveUs(instance.moves);
	if (wanted === ownerPriority || config.health.holdDownMs === 0 || nowUs >= untilUs) return { priority: wanted };
	const seconds = `${((untilUs - nowUs) / 1e6).toFixed(1)} s`;
	if (instance.role === "MASTER") {
		// Right after the start nothing is known to have moved: only a node that comes back is kept from taking over.
		if (wanted >= instance.priority || instance.moves.moves === 0) return { priority: wanted };
		if (instance.hearsHeartbeats && bestStandby(instance) <= wanted) return { priority: wanted };
		wakes.push(untilUs);
		const because = `health says ${wanted}; stays ${instance.priority} for ${seconds}, as the address moved lately`;
		return { priority: instance.priority, untilUs, because };
	}
	const owner = livingOwner(config, instance, nowUs);
	// To take over from a dead node that holds is no move of free will.
	const cap = instance.moves.moves === 0 ? instance.ownerPeak : (owner?.priority ?? 0);
	if (!owner || wanted <= cap || owner.priority <= heldPriority) return { priority: wanted };
	wakes.push(untilUs, silentAtUs(config, owner));
	const why = instance.moves.moves === 0 ? "this node came lately" : "the address moved lately";
	const because = `health says ${wanted}; not above the owner's ${cap} for ${seconds}, as ${why}`;
	return { priority: cap, untilUs, because };
}

function reasonOf(
	config: InstanceConfig,
	instance: InstanceTracking,
	dead: DeadPhase,
	deferred: string | undefined,
): string {
	const { health } = instance;
	if (dead.phase === "held") return `dead (${health.faults.join("; ")}) and held: ${dead.because}`;
	if (health.faults.length > 0) return health.faults.join("; ");
	if (health.waiting.length > 0) return `waits: ${health.waiting.join("; ")}`;
	if (deferred) return deferred;
	const parts = health.parts.filter((part) => part.weight !== 0);
	if (parts.length === 0 || health.priority === ownerPriority) return `base priority ${config.priority}`;
	return `base priority ${config.priority}${parts.map((part) => `, ${part.tracker} ${part.weight > 0 ? "+" : ""}${part.weight}`).join("")}`;
}
