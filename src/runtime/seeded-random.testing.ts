// Chance that can be repeated: the same seed gives the same numbers, so that a failed random walk can be walked again.

/** Numbers from 0 to below 1 (mulberry32). */
export function seededRandom(seed: number): () => number {
	let state = seed | 0;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

export class Dice {
	readonly next: () => number;

	constructor(seed: number) {
		this.next = seededRandom(seed);
	}

	below(limit: number): number {
		return Math.floor(this.next() * limit);
	}

	chance(share: number): boolean {
		return this.next() < share;
	}

	one<T>(items: readonly [T, ...T[]]): T {
		return items[this.below(items.length)] ?? items[0];
	}

	some<T>(items: readonly T[]): readonly T[] {
		return items.filter(() => this.chance(0.5));
	}

	shuffled<T>(items: readonly T[]): readonly T[] {
		return items
			.map((item) => [this.next(), item] as const)
			.sort(([a], [b]) => a - b)
			.map(([, item]) => item);
	}
}
