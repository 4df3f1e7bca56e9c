// What the trackers say of one instance: its priority, why it must not own at all, and what it still waits for.

import type { InstanceConfig } from "../vip-config.ts";
import { effectivePriority } from "../vrrp/effective-priority.ts";
import type { ResolvedTracker } from "./tracked-weights.ts";
import type { TrackerState } from "./tracker-state.ts";

/** What one tracker does to the instance now. */
export interface Contribution {
	readonly tracker: string;
	/** Added to the base priority. */
	readonly weight: number;
	/** Why it is a FAULT. */
	readonly fault?: string;
	/** No result yet, and one failure would be a FAULT: the instance waits. */
	readonly waiting?: string;
	/** The machine itself cannot carry the address: no policy holds it then. */
	readonly hard: boolean;
}

export interface InstanceHealth {
	/** 1 to 254, or 255. */
	readonly priority: number;
	readonly parts: readonly Contribution[];
	readonly faults: readonly string[];
	readonly waiting: readonly string[];
	/** A fault that `whenAllFail: hold` may overrule: what was asked is dead, and the machine is not. */
	readonly holdable: boolean;
}

export function instanceHealth(
	instance: InstanceConfig,
	tracked: readonly ResolvedTracker[],
	trackers: ReadonlyMap<string, TrackerState>,
): InstanceHealth {
	const parts = tracked.map((one) => contributionOf(one, trackers.get(one.tracker.name)));
	const faults = parts.flatMap((part) => part.fault ?? []);
	return {
		priority: effectivePriority(
			instance.priority,
			parts.map((part) => part.weight),
		),
		parts,
		faults,
		waiting: parts.flatMap((part) => part.waiting ?? []),
		holdable: faults.length > 0 && parts.every((part) => part.fault === undefined || !part.hard),
	};
}

export function contributionOf(tracked: ResolvedTracker, state: TrackerState | undefined): Contribution {
	const { tracker, weight, reverse, effect } = tracked;
	const sign = reverse ? -1 : 1;
	const part = { tracker: tracker.name, hard: tracker.check.type === "interface" };
	if (state?.refused !== undefined) return { ...part, weight: 0 };
	if (!state || state.health.status === "unknown") {
		if (effect === "fault") return { ...part, weight: 0, waiting: `${tracker.name} has no result yet` };
		return { ...part, weight: 0 };
	}
	const because = `${tracker.name}: ${state.because}`;
	if (tracker.check.type === "file") return { ...part, ...fileContribution(tracked, state.value ?? 0, because) };
	const up = state.health.status === "up";
	if (effect === "fault") return up !== reverse ? { ...part, weight: 0 } : { ...part, weight: 0, fault: because };
	return { ...part, weight: up === weight > 0 ? weight * sign : 0 };
}

/** keepalived's track_file: value times weight; -254 and below is a FAULT, and so is any value but 0 with weight 0. */
function fileContribution(
	tracked: ResolvedTracker,
	value: number,
	because: string,
): { weight: number; fault?: string } {
	const { effect, reverse, tracker } = tracked;
	if (effect === "fault") return (value !== 0) === reverse ? { weight: 0 } : { weight: 0, fault: because };
	const sum = Math.max(-254, Math.min(254, value)) * tracked.weight * (reverse ? -1 : 1);
	if (sum <= -254 && tracker.failureClass !== "degraded")
		return { weight: 0, fault: `${because} (times ${tracked.weight} is ${sum}, and -254 or less is a FAULT)` };
	return { weight: Math.max(-254, Math.min(253, sum)) };
}
