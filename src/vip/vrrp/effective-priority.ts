// keepalived's effective priority: the base and all weights, within 1 and 254. 255 owns the addresses and is immune.

export const ownerPriority = 255;

export function effectivePriority(base: number, weights: readonly number[]): number {
	if (base === ownerPriority) return ownerPriority;
	let sum = base;
	for (const weight of weights) sum += weight;
	return Math.min(254, Math.max(1, sum));
}
