import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { Refused } from "./refused.ts";
import { WriteQueue, type WriteQueueOptions } from "./write-queue.ts";

const retryMs = 1_000;

function queueWith(options: Partial<WriteQueueOptions<string>> = {}) {
	const written: string[] = [];
	const clock = new VirtualClock();
	/** What the next writes fail with. */
	const failures: Error[] = [];
	const write = async (item: string): Promise<void> => {
		written.push(item);
		const failure = failures.shift();
		if (failure) throw failure;
	};
	const queue = new WriteQueue({ what: "a word", write, retryMs, ...options }, { clock, log: silentLog });
	const pass = async (ms = 0): Promise<void> => {
		for (let turn = 0; turn < 20; turn++) await Promise.resolve();
		clock.advance(ms);
		for (let turn = 0; turn < 20; turn++) await Promise.resolve();
	};
	return { clock, failures, pass, queue, written };
}

describe("what the API server shall be told in the end", () => {
	it("is written in its order, one after the other", async () => {
		const { pass, queue, written } = queueWith({ paceMs: 50 });
		for (const word of ["a", "b", "c"]) queue.set(word, word);
		await pass();
		assert.deepEqual(written, ["a"]);
		await pass(50);
		await pass(50);
		assert.deepEqual(written, ["a", "b", "c"]);
	});

	it("is the newest of its key, also when an older one is under way", async () => {
		let end = (): void => {};
		const words: string[] = [];
		const { pass, queue } = queueWith({
			write: (word) => {
				words.push(word);
				return new Promise((resolve) => {
					end = resolve;
				});
			},
		});
		queue.set("key", "old");
		queue.set("key", "older than the next");
		queue.set("key", "new");
		end();
		await pass();
		end();
		await pass();
		assert.deepEqual(words, ["old", "new"]);
	});

	it("is tried again when there was no answer, or a server that had too much to do", async () => {
		for (const failure of [new Error("gone"), new Refused({ code: 503 }), new Refused({ code: 429 })]) {
			const { failures, pass, queue, written } = queueWith();
			failures.push(failure);
			queue.set("a", "a");
			await pass(retryMs - 1);
			assert.deepEqual(written, ["a"]);
			await pass(1);
			await pass(10 * retryMs);
			assert.deepEqual(written, ["a", "a"], failure.message);
		}
	});

	it("is given up when it is refused, and what comes after it is not", async () => {
		for (const code of [400, 403, 404, 409, 422]) {
			const { failures, pass, queue, written } = queueWith();
			failures.push(new Refused({ code }));
			queue.set("a", "a");
			queue.set("b", "b");
			await pass(retryMs);
			await pass(10 * retryMs);
			assert.deepEqual(written, ["a", "b"], String(code));
		}
	});

	it("is never given up where it must be true in the end", async () => {
		const { failures, pass, queue, written } = queueWith({ givesUp: false });
		failures.push(new Refused({ code: 403 }), new Refused({ code: 404 }));
		queue.set("a", "a");
		for (let round = 0; round < 5; round++) await pass(retryMs);
		assert.deepEqual(written, ["a", "a", "a"]);
	});

	it("waits until it may be written, and is then written at once, also between two tries", async () => {
		let may = false;
		const { failures, pass, queue, written } = queueWith({ mayWrite: () => may });
		queue.set("a", "a");
		await pass(10 * retryMs);
		assert.deepEqual(written, []);
		may = true;
		failures.push(new Error("gone"));
		queue.resume();
		await pass();
		assert.deepEqual(written, ["a"]);
		queue.resume();
		await pass();
		assert.deepEqual(written, ["a", "a"]);
	});

	it("is bounded: what is too much is dropped, but not what replaces something", async () => {
		const { pass, queue, written } = queueWith({ mostPending: 2, paceMs: 10 });
		for (const [key, word] of ["a1", "b1", "c1", "a2"].map((word) => [word.slice(0, 1), word] as const))
			queue.set(key, word);
		for (let round = 0; round < 5; round++) await pass(10);
		assert.deepEqual(written, ["a1", "b1", "a2"]);
	});

	it("is forgotten when it could not be written for too long, and leaves its place to what is new", async () => {
		let may = false;
		const { pass, queue, written } = queueWith({ keepMs: 30_000, mayWrite: () => may, mostPending: 1 });
		queue.set("a", "a");
		await pass(30_000);
		queue.set("b", "b");
		await pass(29_999);
		may = true;
		queue.resume();
		await pass();
		assert.deepEqual(written, ["b"]);
	});

	it("is not written after the queue is closed", async () => {
		const { failures, pass, queue, written } = queueWith();
		failures.push(new Error("gone"));
		queue.set("a", "a");
		await pass();
		queue.close();
		queue.set("b", "b");
		await pass(10 * retryMs);
		assert.deepEqual(written, ["a"]);
	});
});
