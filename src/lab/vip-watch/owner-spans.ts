// When which node held an address, as the nodes' kernels told, and when two held it at once.

export interface OwnerSpan {
	readonly node: string;
	readonly fromUs: number;
	/** Undefined: still. */
	readonly toUs?: number;
}

export interface Overlap {
	readonly fromUs: number;
	readonly lengthMs: number;
}

/** Moments in which two nodes held it: the sum of what is longer than `atLeastMs` must be nothing. */
export function overlapsOf(spans: readonly OwnerSpan[], endUs: number): readonly Overlap[] {
	return spans
		.flatMap((one, index) =>
			spans.slice(index + 1).flatMap((other) => {
				if (other.node === one.node) return [];
				const fromUs = Math.max(one.fromUs, other.fromUs);
				const lengthMs = (Math.min(one.toUs ?? endUs, other.toUs ?? endUs) - fromUs) / 1000;
				return lengthMs > 0 ? [{ fromUs, lengthMs }] : [];
			}),
		)
		.sort((a, b) => a.fromUs - b.fromUs);
}

/** Time in the span in which nobody held it. */
export function unownedMs(spans: readonly OwnerSpan[], fromUs: number, toUs: number): number {
	let covered = 0;
	let reachedUs = fromUs;
	for (const span of [...spans].sort((a, b) => a.fromUs - b.fromUs)) {
		const start = Math.max(span.fromUs, reachedUs);
		const end = Math.min(span.toUs ?? toUs, toUs);
		if (end > start) covered += end - start;
		reachedUs = Math.max(reachedUs, end);
	}
	return (toUs - fromUs - covered) / 1000;
}

/** What a node held while its address was cut off from everybody is nobody's. */
export function withoutCuts(
	spans: readonly OwnerSpan[],
	cuts: readonly { readonly node: string; readonly fromUs: number; readonly toUs?: number }[],
): readonly OwnerSpan[] {
	return cuts.reduce<readonly OwnerSpan[]>(
		(left, cut) =>
			left.flatMap((span): readonly OwnerSpan[] => {
				const cutToUs = cut.toUs ?? Number.POSITIVE_INFINITY;
				const endUs = span.toUs ?? Number.POSITIVE_INFINITY;
				if (span.node !== cut.node || endUs <= cut.fromUs || span.fromUs >= cutToUs) return [span];
				const before = span.fromUs < cut.fromUs ? [{ node: span.node, fromUs: span.fromUs, toUs: cut.fromUs }] : [];
				const after = endUs > cutToUs ? [{ ...span, fromUs: cutToUs }] : [];
				return [...before, ...after];
			}),
		spans,
	);
}
