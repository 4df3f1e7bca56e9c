// From what kernels and a client saw of an address, in how many moments it had two owners.

import { type OwnerSpan, overlapsOf } from "../vip-watch/owner-spans.ts";
import type { ProbeRecord } from "../vip-watch/probe-record.ts";

/** A time in which two owners are what must be: the nodes are apart. */
export interface Apart {
	readonly fromUs: number;
	readonly toUs: number;
}

/**
 * A planned hand-over is made before it is broken: the old owner lets go when it hears the new one, a round trip later. Longer
 * is wrong, and busy machines are late.
 */
const roundTripMs = 25;

export function twoOwnersSeen(
	probes: ProbeRecord,
	spans: readonly OwnerSpan[],
	endUs: number,
	apart: readonly Apart[],
): number {
	const isExcused = (fromUs: number): boolean => apart.some((one) => fromUs >= one.fromUs && fromUs <= one.toUs);
	const inKernels = overlapsOf(spans, endUs).filter(
		({ fromUs, lengthMs }) => lengthMs > roundTripMs && !isExcused(fromUs),
	).length;
	// A client that gets an answer of a node which, by its own kernel, had long let go.
	const held = (node: string, atUs: number): boolean =>
		spans.some(
			(span) =>
				span.node === node &&
				atUs >= span.fromUs - roundTripMs * 1000 &&
				atUs <= (span.toUs ?? endUs) + roundTripMs * 1000,
		);
	const atClient = probes.answers.filter(({ node, atUs }) => !isExcused(atUs) && !held(node, atUs)).length;
	return inKernels + atClient;
}
