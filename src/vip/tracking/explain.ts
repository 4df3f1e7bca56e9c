// For `vip explain`: who owns each address and why, and what would move it. Nothing is tried: each tracker is turned over in
// thought, and the same rules say what would follow.

import type { InstanceConfig } from "../vip-config.ts";
import { ownerPriority } from "../vrrp/effective-priority.ts";
import { nextMoveUs } from "./hold-down.ts";
import { instanceHealth } from "./instance-health.ts";
import { livingOwner, wantedPriority } from "./instance-policy.ts";
import { groupOf, type ResolvedTracker, resolveTracked, type TrackingConfig } from "./tracked-weights.ts";
import type { TrackerState } from "./tracker-state.ts";
import type { InstanceTracking, TrackingState } from "./tracking-state.ts";

export interface InstanceExplanation {
	readonly instance: string;
	readonly role: string;
	/** An address or name; undefined: nobody is known to own it. */
	readonly owner: string | undefined;
	readonly priority: number;
	readonly because: string;
	readonly whatIfs: readonly WhatIf[];
	/** The whole as lines of text. */
	readonly lines: readonly string[];
}

/** One tracker turned over. */
export interface WhatIf {
	readonly tracker: string;
	readonly becomes: "failed" | "good";
	readonly priority: number;
	readonly fault: boolean;
	/** `unknown`: plain VRRP backups do not say what priority they have. */
	readonly moves: "yes" | "no" | "unknown";
	readonly text: string;
}

export interface ExplainOptions {
	readonly nowUs: number;
	/** Names of the nodes by address. */
	readonly names?: ReadonlyMap<string, string>;
	/** Default "this node". */
	readonly self?: string;
}

export function explain(
	config: TrackingConfig,
	state: TrackingState,
	options: ExplainOptions,
): readonly InstanceExplanation[] {
	return config.instances.flatMap((instanceConfig) => {
		const instance = state.instances.get(instanceConfig.name);
		return instance ? [explainInstance(config, instanceConfig, instance, state, options)] : [];
	});
}

function explainInstance(
	config: TrackingConfig,
	instanceConfig: InstanceConfig,
	instance: InstanceTracking,
	state: TrackingState,
	options: ExplainOptions,
): InstanceExplanation {
	const nameOf = (peer: string): string => options.names?.get(peer) ?? peer;
	const living = livingOwner(instanceConfig, instance, options.nowUs);
	const owner = instance.role === "MASTER" ? (options.self ?? "this node") : living && nameOf(living.peer);
	const tracked = resolveTracked(config, instanceConfig);
	const refused = tracked.filter((one) => state.trackers.get(one.tracker.name)?.refused !== undefined);
	const counting = tracked.filter((one) => !refused.includes(one));
	const whatIfs = counting.map((one) => turnOver(instanceConfig, instance, tracked, one, state.trackers, options));
	const group = groupOf(config, instanceConfig.name);
	const lines = [
		`${instanceConfig.name}: ${ownerLine(instance, owner, living?.priority)}`,
		`  priority ${instance.priority}: ${instance.because}`,
		...(instance.faults.length > 0 ? [`  cannot own: ${instance.faults.join("; ")}`] : []),
		...(group ? [`  in group ${group.name}: a FAULT of one of ${group.members.join(", ")} is a FAULT of all`] : []),
		...standbyLines(instance, nameOf),
		...holdDownLine(instanceConfig, instance, options.nowUs),
		...whatIfs.map((whatIf) => `  ${whatIf.text}`),
		...refused.map(
			(one) => `  ${one.tracker.name} counts for nothing: ${state.trackers.get(one.tracker.name)?.refused}`,
		),
	];
	return {
		instance: instanceConfig.name,
		role: instance.role,
		owner,
		priority: instance.priority,
		because: instance.because,
		whatIfs,
		lines,
	};
}

function ownerLine(instance: InstanceTracking, owner: string | undefined, priority: number | undefined): string {
	if (instance.role === "MASTER") return `owned by ${owner} (MASTER, priority ${instance.priority})`;
	if (owner) return `owned by ${owner} (priority ${priority}); this node is ${instance.role}`;
	return `no owner is heard; this node is ${instance.role}`;
}

function standbyLines(instance: InstanceTracking, nameOf: (peer: string) => string): readonly string[] {
	if (!instance.hearsHeartbeats) return [];
	if (instance.standbys.size === 0) return ["  no other Keepmesh node is alive"];
	const texts = [...instance.standbys].map(([peer, one]) => `${nameOf(peer)} ${one.role} ${one.priority}`);
	return [`  other nodes: ${texts.join(", ")}`];
}

function holdDownLine(config: InstanceConfig, instance: InstanceTracking, nowUs: number): readonly string[] {
	const untilUs = nextMoveUs(instance.moves);
	if (config.health.holdDownMs === 0 || nowUs >= untilUs) return [];
	return [`  no move of free will for another ${((untilUs - nowUs) / 1e6).toFixed(1)} s`];
}

function turnOver(
	config: InstanceConfig,
	instance: InstanceTracking,
	tracked: readonly ResolvedTracker[],
	one: ResolvedTracker,
	trackers: ReadonlyMap<string, TrackerState>,
	options: ExplainOptions,
): WhatIf {
	const { name, check } = one.tracker;
	const old = trackers.get(name);
	const good = check.type === "file" ? (old?.value ?? 0) === 0 : old?.health.status === "up";
	const becomes = good || old?.health.status === "unknown" ? "failed" : "good";
	const turned: TrackerState = {
		health: { status: becomes === "good" ? "up" : "down", result: 0, run: 0 },
		...(check.type === "file" ? { value: becomes === "good" ? 0 : 1 } : {}),
		because: becomes === "good" ? "good" : "failed",
		sinceUs: options.nowUs,
	};
	const then = instanceHealth(config, tracked, new Map(trackers).set(name, turned));
	const fault = then.faults.length > 0;
	const [before, priority] = [instance.health.priority, then.priority].map((one) =>
		wantedPriority(config, one, false),
	) as [number, number];
	const verdict = fault
		? verdictOnFault(config, instance, then.holdable, options)
		: verdictOnPriority(config, instance, priority, options);
	const event = check.type === "file" ? (becomes === "good" ? "becomes 0" : "becomes 1") : becomesText(becomes);
	const change = fault ? "FAULT" : `priority ${before} -> ${priority}`;
	const whatIf = `if ${name} ${event}: ${change}`;
	return {
		tracker: name,
		becomes,
		priority,
		fault,
		moves: verdict.moves,
		text: `${whatIf}${verdict.text}`,
	};
}

const becomesText = (becomes: "failed" | "good"): string => (becomes === "good" ? "is good again" : "fails");

interface Verdict {
	readonly moves: WhatIf["moves"];
	readonly text: string;
}

function verdictOnFault(
	config: InstanceConfig,
	instance: InstanceTracking,
	holdable: boolean,
	options: ExplainOptions,
): Verdict {
	if (instance.role !== "MASTER") return { moves: "no", text: ", could not take over; the owner stays" };
	const next = successor(instance, options);
	const hold = holdable && config.health.whenAllFail === "hold";
	if (next) return { moves: "yes", text: `: released at once, moves to ${next.name}` };
	if (!instance.hearsHeartbeats)
		return {
			moves: "unknown",
			text: `: released at once${hold ? "; taken back when nobody takes over (whenAllFail: hold)" : ""}`,
		};
	if (hold) return { moves: "no", text: ", but held: no other node that is alive could own it (whenAllFail: hold)" };
	return { moves: "no", text: ": released, and nobody has it" };
}

function verdictOnPriority(
	config: InstanceConfig,
	instance: InstanceTracking,
	priority: number,
	options: ExplainOptions,
): Verdict {
	const untilUs = nextMoveUs(instance.moves);
	const waits =
		config.health.holdDownMs > 0 && options.nowUs < untilUs
			? `, in ${((untilUs - options.nowUs) / 1e6).toFixed(1)} s at the earliest (hold-down)`
			: "";
	if (config.priority === ownerPriority) return { moves: "no", text: ", would not move: priority 255 is immune" };
	if (instance.role === "MASTER") {
		const next = successor(instance, options);
		if (next && next.priority > priority)
			return { moves: "yes", text: `, below ${next.priority} of ${next.name}: moves, if it preempts${waits}` };
		if (next) return { moves: "no", text: `, would not move: ${next.name} has only ${next.priority}` };
		if (instance.hearsHeartbeats) return { moves: "no", text: ", would not move: no other node could own it" };
		return { moves: "unknown", text: "; moves if a backup has more: plain VRRP backups do not say" };
	}
	const owner = livingOwner(config, instance, options.nowUs);
	if (instance.health.faults.length > 0 && !owner)
		return { moves: "yes", text: ": nobody is heard to own it: takes over" };
	if (!owner) return { moves: "unknown", text: "; no owner is heard" };
	const name = options.names?.get(owner.peer) ?? owner.peer;
	if (priority <= owner.priority)
		return { moves: "no", text: `, would not move: ${name} owns it with ${owner.priority}` };
	if (!config.preempt)
		return { moves: "no", text: `, above ${owner.priority} of ${name}, but would not move: nopreempt` };
	return { moves: "yes", text: `, above ${owner.priority} of ${name}: takes over${waits}` };
}

/** The best of the nodes that could own it now. */
function successor(
	instance: InstanceTracking,
	options: ExplainOptions,
): { readonly name: string; readonly priority: number } | undefined {
	let best: { name: string; priority: number } | undefined;
	for (const [peer, one] of instance.standbys)
		if ((one.role === "BACKUP" || one.role === "MASTER") && one.priority > (best?.priority ?? 0))
			best = { name: options.names?.get(peer) ?? peer, priority: one.priority };
	return best;
}
