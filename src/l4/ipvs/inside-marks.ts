// Numbers for fronts that answer differently inside: each gets one that nobody else has, the same again after a restart where it can.

import { hash32 } from "../schedulers/hash32.ts";

const numbers = 0xffff;

export class InsideMarks {
	readonly #byFront = new Map<string, number>();
	readonly #taken = new Set<number>();
	#avoided: ReadonlySet<number> = new Set();

	/** 1 to 65535. Throws when all are taken. */
	take(front: string): number {
		const known = this.#byFront.get(front);
		if (known !== undefined) return known;
		const first = hash32(front, 0) % numbers;
		for (let index = 0; index < numbers; index++) {
			const number = ((first + index) % numbers) + 1;
			if (this.#taken.has(number) || this.#avoided.has(number)) continue;
			this.#taken.add(number);
			this.#byFront.set(front, number);
			return number;
		}
		throw new Error("more than 65535 fronts answer differently inside");
	}

	giveBack(front: string): void {
		const number = this.#byFront.get(front);
		if (number === undefined) return;
		this.#byFront.delete(front);
		this.#taken.delete(number);
	}

	/** Marks of other people's virtual servers. */
	avoid(marks: readonly number[]): void {
		this.#avoided = new Set(marks.flatMap((mark) => [mark & numbers, mark >>> 16]));
	}
}
