// How long addresses are without an owner after a fault, from configuration alone: one instance on the owner and on the
// node that takes over in, milliseconds out. RFC 3768, RFC 9568: down interval = adverts x interval + skew.

import type { InstanceConfig, TrackerConfig } from "../vip-config.ts";
import { weightOf } from "./build-config.ts";

/** Least and most, in milliseconds; what the kernel and the network add (about 10 ms) not counted. */
export interface Span {
	readonly minMs: number;
	readonly maxMs: number;
}

export interface CheckTime {
	readonly tracker: string;
	readonly span: Span;
	readonly how: "fault" | "priority";
}

export interface FailoverTimes {
	/** The owner's machine or link dies. */
	readonly crash: Span;
	/** The owner stops and says so. */
	readonly stop: Span;
	/** A check fails on the owner; absent when nothing is tracked that moves the addresses. */
	readonly checks: readonly CheckTime[];
}

/** Version 2 counts in whole seconds whatever the interval; version 3 scales with the owner's interval. */
export function skewMs({
	version,
	priority,
	advertIntervalMs,
}: Pick<InstanceConfig, "version" | "priority" | "advertIntervalMs">): number {
	return ((256 - priority) * (version === 2 ? 1000 : advertIntervalMs)) / 256;
}

/** `next` has the second highest priority. */
export function failoverTimes(
	owner: InstanceConfig,
	next: InstanceConfig,
	trackers: readonly TrackerConfig[],
): FailoverTimes {
	const skew = skewMs({ ...next, advertIntervalMs: owner.advertIntervalMs });
	const adverts = next.downAfterAdverts * owner.advertIntervalMs;
	// The last advert left up to one interval before the fault.
	const crash = { minMs: adverts - owner.advertIntervalMs + skew, maxMs: adverts + skew };
	const checks = owner.tracked.flatMap((tracked): readonly CheckTime[] => {
		const tracker = trackers.find(({ name }) => name === tracked.tracker);
		if (!tracker) return [];
		const detect = detection(tracker);
		const weight = weightOf(tracked, trackers);
		if (weight === 0 || tracker.failureClass === "dead")
			return [{ tracker: tracker.name, how: "fault", span: plus(detect, { minMs: skew, maxMs: skew }) }];
		// A lower priority travels with an advert; the other then waits for the down interval of its own.
		return [
			{
				tracker: tracker.name,
				how: "priority",
				span: plus(detect, { minMs: adverts + skew - owner.advertIntervalMs, maxMs: adverts + skew }),
			},
		];
	});
	return { crash, stop: { minMs: skew, maxMs: skew }, checks };
}

/** From the fault to the result that counts. */
export function detection({ check, fall }: TrackerConfig): Span {
	if (!("intervalMs" in check)) return { minMs: 0, maxMs: 0 };
	const { intervalMs, timeoutMs } = check;
	// The first bad run starts up to an interval after the fault; a run that hangs takes its timeout.
	return { minMs: (fall - 1) * intervalMs, maxMs: fall * intervalMs + timeoutMs };
}

function plus(a: Span, b: Span): Span {
	return { minMs: a.minMs + b.minMs, maxMs: a.maxMs + b.maxMs };
}

export function renderSpan({ minMs, maxMs }: Span): string {
	const text = (ms: number): string => String(ms >= 100 ? Math.round(ms) : Math.round(ms * 10) / 10);
	return text(minMs) === text(maxMs) ? `${text(minMs)} ms` : `${text(minMs)} to ${text(maxMs)} ms`;
}
