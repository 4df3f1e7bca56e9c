import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TimerQueue } from "./timer-queue.ts";

describe("a queue of timers", () => {
	it("runs what is due in the order of time, then of arming, and tells now and due", () => {
		const queue = new TimerQueue();
		const ran: unknown[] = [];
		for (const [name, dueUs] of Object.entries({ c: 30, a: 10, b: 20, a2: 10, d: 40 }))
			queue.add(dueUs, (nowUs, due) => ran.push([name, nowUs, due]));
		queue.runDue(() => 35);
		assert.deepEqual(ran, [
			["a", 35, 10],
			["a2", 35, 10],
			["b", 35, 20],
			["c", 35, 30],
		]);
		assert.equal(queue.nextDueUs(), 40);
	});

	it("runs what a timer adds for now, and not what it cancels", () => {
		const queue = new TimerQueue();
		const ran: string[] = [];
		queue.add(10, () => {
			ran.push("first");
			cancel();
			queue.add(5, () => ran.push("added"));
		});
		const cancel = queue.add(11, () => ran.push("cancelled"));
		queue.runDue(() => 20);
		assert.deepEqual(ran, ["first", "added"]);
		assert.equal(queue.nextDueUs(), undefined);
	});

	it("keeps the order through ten thousand random additions and cancellations", () => {
		const queue = new TimerQueue();
		let seed = 7;
		const random = () => {
			seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
			return seed / 2_147_483_648;
		};
		const expected: number[] = [];
		const ran: number[] = [];
		for (let index = 0; index < 10_000; index++) {
			const dueUs = Math.floor(random() * 1e6);
			const cancel = queue.add(dueUs, (_, due) => ran.push(due));
			if (random() < 0.7) {
				cancel();
				cancel();
			} else expected.push(dueUs);
		}
		queue.runDue(() => 2e6);
		assert.deepEqual(
			ran,
			expected.sort((a, b) => a - b),
		);
	});
});
