// A configuration's instances and trackers by name, and who tracks what: worked out once for each configuration.

import type { InstanceConfig, TrackerConfig } from "../vip-config.ts";
import { type ResolvedTracker, resolveTracked, type TrackingConfig } from "./tracked-weights.ts";

export interface TrackingIndex {
	readonly instances: ReadonlyMap<string, IndexedInstance>;
	readonly trackers: ReadonlyMap<string, TrackerConfig>;
	/** Names of the instances that a tracker moves. */
	readonly trackedBy: ReadonlyMap<string, readonly string[]>;
}

export interface IndexedInstance {
	readonly config: InstanceConfig;
	readonly tracked: readonly ResolvedTracker[];
}

/** Configurations are never changed in place, so the same one has the same index. */
const known = new WeakMap<TrackingConfig, TrackingIndex>();

export function indexTracking(config: TrackingConfig): TrackingIndex {
	const found = known.get(config);
	if (found) return found;
	const trackers = new Map(config.trackers.map((tracker) => [tracker.name, tracker]));
	const instances = new Map<string, IndexedInstance>();
	const trackedBy = new Map<string, string[]>();
	for (const instance of config.instances) {
		const tracked = resolveTracked(config, instance, trackers);
		instances.set(instance.name, { config: instance, tracked });
		for (const name of new Set(tracked.map((one) => one.tracker.name)))
			trackedBy.set(name, [...(trackedBy.get(name) ?? []), instance.name]);
	}
	const index: TrackingIndex = { instances, trackers, trackedBy };
	known.set(config, index);
	return index;
}
