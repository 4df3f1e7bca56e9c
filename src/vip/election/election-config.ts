// The times of a lease from what a virtual router is configured with.

import type { InstanceConfig } from "../vip-config.ts";
import type { ElectionConfig } from "./election-state.ts";

export const defaultLeaseDurationMs = 15_000;
export const defaultMaxDelayMs = 1000;
/** Whatever is configured: advice that lasts longer would be a refusal. */
export const longestDelayMs = 60_000;

export function electionConfig(identity: string, instance: InstanceConfig): ElectionConfig {
	const durationMs = Math.max(3000, instance.lease?.durationMs ?? defaultLeaseDurationMs);
	return {
		identity,
		durationMs,
		maxDelayMs: Math.min(longestDelayMs, instance.lease?.maxDelayMs ?? defaultMaxDelayMs),
		retryMs: Math.min(2000, durationMs / 5),
		operationTimeoutMs: Math.min(2000, durationMs / 6),
		disagreeAfterMs: 2 * durationMs,
		advertIntervalMs: instance.advertIntervalMs,
		decides: instance.lease?.decides ?? false,
		releasesWhenUnreachable: instance.lease?.releasesWhenUnreachable ?? false,
	};
}
