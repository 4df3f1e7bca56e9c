// What is to happen at its time, earliest first, and in the order of adding at the same time: a binary heap.

export interface Due {
	readonly atUs: number;
	readonly sequence: number;
	readonly run: () => void;
}

export class DueQueue {
	#sequence = 0;
	readonly #heap: Due[] = [];

	add(atUs: number, run: () => void): void {
		const heap = this.#heap;
		let at = heap.push({ atUs, sequence: this.#sequence++, run }) - 1;
		while (at > 0) {
			const parent = (at - 1) >> 1;
			if (!isBefore(heap[at], heap[parent])) break;
			swap(heap, at, parent);
			at = parent;
		}
	}

	/** The earliest, unless it is later than that. */
	takeUntil(untilUs: number): Due | undefined {
		const heap = this.#heap;
		const first = heap[0];
		if (!first || first.atUs > untilUs) return undefined;
		const last = heap.pop();
		if (heap.length === 0 || !last) return first;
		heap[0] = last;
		for (let at = 0; ; ) {
			let least = at;
			for (const child of [2 * at + 1, 2 * at + 2])
				if (child < heap.length && isBefore(heap[child], heap[least])) least = child;
			if (least === at) return first;
			swap(heap, at, least);
			at = least;
		}
	}
}

function isBefore(a: Due | undefined, b: Due | undefined): boolean {
	if (!a || !b) return false;
	return a.atUs < b.atUs || (a.atUs === b.atUs && a.sequence < b.sequence);
}

function swap(heap: Due[], a: number, b: number): void {
	const first = heap[a];
	const second = heap[b];
	if (!first || !second) return;
	heap[a] = second;
	heap[b] = first;
}
