// Timers in the order in which they are due, in a binary heap. Takes the time as a value; whoever owns it does the waiting.

import type { Cancel } from "../runtime/clock.ts";

type Run = (nowUs: number, dueUs: number) => void;

interface Timer {
	readonly dueUs: number;
	/** Of two that are due at once the earlier made runs first. */
	readonly order: number;
	run: Run | undefined;
}

export class TimerQueue {
	readonly #heap: Timer[] = [];
	#order = 0;
	/** Cancelled ones that are still in the heap. */
	#cancelled = 0;

	add(dueUs: number, run: Run): Cancel {
		const timer: Timer = { dueUs, order: this.#order++, run };
		this.#heap.push(timer);
		this.#rise(this.#heap.length - 1);
		return () => {
			if (!timer.run) return;
			timer.run = undefined;
			this.#cancelled++;
			if (this.#cancelled > 64 && this.#cancelled > this.#heap.length / 2) this.#sweep();
		};
	}

	/** When the next one is due; undefined when there is none. */
	nextDueUs(): number | undefined {
		for (;;) {
			const first = this.#heap[0];
			if (!first || first.run) return first?.dueUs;
			this.#cancelled--;
			this.#removeFirst();
		}
	}

	/** Runs what is due now, also what these add for now. Each is told the time that `nowUs` gives then. */
	runDue(nowUs: () => number): void {
		for (;;) {
			const due = this.nextDueUs();
			const first = this.#heap[0];
			const now = nowUs();
			if (due === undefined || due > now || !first?.run) return;
			const { run } = first;
			first.run = undefined;
			this.#removeFirst();
			run(now, due);
		}
	}

	#removeFirst(): void {
		const last = this.#heap.pop();
		if (!last || this.#heap.length === 0) return;
		this.#heap[0] = last;
		this.#sink(0);
	}

	#sweep(): void {
		const live = this.#heap.filter((timer) => timer.run).sort((a, b) => (isBefore(a, b) ? -1 : 1));
		this.#heap.splice(0, this.#heap.length, ...live);
		this.#cancelled = 0;
	}

	#rise(from: number): void {
		let index = from;
		while (index > 0) {
			const parent = (index - 1) >> 1;
			if (!this.#swapIfBefore(index, parent)) return;
			index = parent;
		}
	}

	#sink(from: number): void {
		let index = from;
		for (;;) {
			const left = index * 2 + 1;
			const [a, b] = [this.#heap[left], this.#heap[left + 1]];
			if (!a) return;
			const child = b && isBefore(b, a) ? left + 1 : left;
			if (!this.#swapIfBefore(child, index)) return;
			index = child;
		}
	}

	#swapIfBefore(lower: number, upper: number): boolean {
		const [a, b] = [this.#heap[lower], this.#heap[upper]];
		if (!a || !b || !isBefore(a, b)) return false;
		this.#heap[upper] = a;
		this.#heap[lower] = b;
		return true;
	}
}

const isBefore = (a: Timer, b: Timer): boolean => a.dueUs < b.dueUs || (a.dueUs === b.dueUs && a.order < b.order);
