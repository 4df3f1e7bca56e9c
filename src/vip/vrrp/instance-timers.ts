// How long things take in VRRP, in microseconds, so that skews do not vanish at short intervals. RFC 3768 section 6.1,
// RFC 9568 section 6.1.

import type { InstanceConfig } from "../vip-config.ts";

type Timing = Pick<InstanceConfig, "version" | "advertIntervalMs" | "downAfterAdverts">;

/** Version 2: up to a second whatever the interval. Version 3: up to one interval of the master. The lower, the longer. */
export function skewUs(config: Timing, priority: number, masterIntervalUs: number): number {
	const wholeUs = config.version === 2 ? 1_000_000 : masterIntervalUs;
	return Math.floor(((256 - priority) * wholeUs) / 256);
}

/** So long without an advert, and the master counts as gone. */
export function downIntervalUs(config: Timing, priority: number, masterIntervalUs: number): number {
	return config.downAfterAdverts * masterIntervalUs + skewUs(config, priority, masterIntervalUs);
}

/** So long a successor may take after priority 0 was said: the longest skew, and some for the way. */
export function successionLimitUs(config: Timing): number {
	const intervalUs = config.advertIntervalMs * 1000;
	return skewUs(config, 0, intervalUs) + Math.max(20_000, Math.floor(intervalUs / 4));
}
