// Which trackers move an instance, and by what weight: its own and its group's, by keepalived's rules for weights in groups and
// beside priority 255 (vrrp_complete_instance, sync_group_tracking_init), and Keepmesh's two classes of failure.

import type { InstanceConfig, SyncGroupConfig, TrackedBy, TrackerConfig, VipConfig } from "../vip-config.ts";
import { ownerPriority } from "../vrrp/effective-priority.ts";

export type TrackingConfig = Pick<VipConfig, "instances" | "groups" | "trackers">;

/** What a failure does: FAULT and release at once, or a change of priority. */
export interface ResolvedTracker {
	readonly tracker: TrackerConfig;
	readonly weight: number;
	readonly reverse: boolean;
	readonly effect: "fault" | "weight";
	/** The sync group that tracks it. */
	readonly group?: string;
}

/** What a `degraded` failure costs when nobody gave a weight. */
export const defaultDegradedWeight = -60;

/** A tracker that two lists name counts twice, as in keepalived; a name without a tracker counts for nothing. */
export function resolveTracked(
	config: TrackingConfig,
	instance: InstanceConfig,
	byName: ReadonlyMap<string, TrackerConfig> = new Map(config.trackers.map((tracker) => [tracker.name, tracker])),
): readonly ResolvedTracker[] {
	const group = config.groups.find((candidate) => candidate.members.includes(instance.name));
	const weightsCount = instance.priority !== ownerPriority && (!group || group.usesWeights);
	const resolved: ResolvedTracker[] = [];
	for (const tracked of instance.tracked) {
		const tracker = byName.get(tracked.tracker);
		const kept = tracker && keptWeight(tracker, tracked, weightsCount, instance);
		if (tracker && kept !== undefined) resolved.push(resolve(tracker, tracked, kept, weightsCount));
	}
	if (group) {
		const owned = config.instances.some((one) => group.members.includes(one.name) && one.priority === ownerPriority);
		for (const tracked of group.tracked) {
			const tracker = byName.get(tracked.tracker);
			if (!tracker) continue;
			const weight = owned ? 0 : weightOf(tracker, tracked);
			resolved.push({ ...resolve(tracker, tracked, weight, !owned), group: group.name });
		}
	}
	return resolved;
}

export function groupOf(config: TrackingConfig, instance: string): SyncGroupConfig | undefined {
	return config.groups.find((group) => group.members.includes(instance));
}

function resolve(tracker: TrackerConfig, tracked: TrackedBy, weight: number, weightsCount: boolean): ResolvedTracker {
	const reverse = tracked.reverse ?? tracker.reverse;
	if (tracker.failureClass === "dead") return { tracker, weight: 0, reverse, effect: "fault" };
	if (tracker.failureClass === "degraded" && weightsCount)
		return { tracker, weight: weight === 0 ? defaultDegradedWeight : weight, reverse, effect: "weight" };
	return { tracker, weight, reverse, effect: weight === 0 ? "fault" : "weight" };
}

function weightOf(tracker: TrackerConfig, tracked: TrackedBy): number {
	return tracked.weight ?? tracker.weight;
}

/** Undefined: keepalived takes the tracker off that instance. */
function keptWeight(
	tracker: TrackerConfig,
	tracked: TrackedBy,
	weightsCount: boolean,
	instance: InstanceConfig,
): number | undefined {
	const weight = weightOf(tracker, tracked);
	if (tracker.failureClass === "dead") return 0;
	if (weightsCount) return weight;
	if (tracker.failureClass === "degraded") return undefined;
	if (weight === 0) return 0;
	// A weight of an interface turns into FAULT in a group; a file's does where it is the default 1.
	if (tracker.check.type === "interface") return instance.priority === ownerPriority ? undefined : 0;
	if (tracker.check.type === "file" && weight === 1) return 0;
	return undefined;
}
