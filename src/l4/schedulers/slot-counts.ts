// Weights as whole numbers of slots: 2 and 4 are 1 and 2. In: weights. Out: how many slots each has, of a bounded sum.

/** Slots of one balancer, unless it has more backends than that: fine enough to tell 1 from 1,000. */
export const maxSlots = 1024;

/** Weight 0 has none, any other at least one. Weights whose smallest whole ratio needs more than `bound` are rounded. */
export function slotCounts(weights: readonly number[], bound: number = maxSlots): readonly number[] {
	let divisor = 0;
	let sum = 0;
	let living = 0;
	for (const weight of weights) {
		divisor = greatestCommonDivisor(divisor, weight);
		sum += weight;
		if (weight > 0) living += 1;
	}
	if (divisor === 0) return weights;
	const limit = Math.max(bound, living);
	if (sum / divisor <= limit) return weights.map((weight) => weight / divisor);
	return weights.map((weight) => (weight === 0 ? 0 : Math.max(1, Math.floor((weight * (limit - living)) / sum))));
}

function greatestCommonDivisor(a: number, b: number): number {
	let [large, small] = [a, b];
	while (small > 0) [large, small] = [small, large % small];
	return large;
}
