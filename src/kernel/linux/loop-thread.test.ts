import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Out } from "./loop-thread.testing.ts";
import { startLoopThread } from "./loop-thread.ts";

const entry = new URL("./loop-thread.testing.ts", import.meta.url);

const start = (realTimePriority: number) => {
	const messages: Out[] = [];
	let wake = () => {};
	let end: (error: Error | undefined) => void = () => {};
	const ended = new Promise<Error | undefined>((resolve) => {
		end = resolve;
	});
	const thread = startLoopThread<object, Out>({
		entry,
		data: { name: "loop" },
		realTimePriority,
		onMessage: (message) => {
			messages.push(message);
			wake();
		},
		onEnd: end,
	});
	const next = async (): Promise<Out> => {
		while (messages.length === 0)
			await new Promise<void>((resolve) => {
				wake = resolve;
			});
		return messages.shift() as Out;
	};
	return { thread, next, ended };
};

describe("a loop thread", () => {
	it("exchanges messages in order, and ends when told", async () => {
		const { thread, next, ended } = start(0);
		thread.post({ type: "echo", text: "one" });
		thread.post({ type: "echo", text: "two" });
		assert.deepEqual(await next(), { type: "echo", text: "loop: one", scheduling: "untouched" });
		assert.deepEqual(await next(), { type: "echo", text: "loop: two", scheduling: "untouched" });
		thread.stop();
		assert.equal(await ended, undefined);
		thread.post({ type: "echo", text: "after the end, which is harmless" });
	});

	it("ends with the error that a callback throws", async () => {
		const { thread, ended } = start(0);
		thread.post({ type: "fail" });
		assert.equal((await ended)?.message, "told to fail");
	});

	it("runs before ordinary threads where that is permitted, and says so where not", async () => {
		const { thread, next, ended } = start(50);
		thread.post({ type: "echo", text: "" });
		const answer = await next();
		assert.ok(answer.type === "echo" && /^(fifo|ordinary)$/.test(answer.scheduling), JSON.stringify(answer));
		thread.stop();
		await ended;
	});

	it("runs timers never early", async () => {
		const { thread, next, ended } = start(0);
		thread.post({ type: "measureTimers", count: 20, intervalUs: 1500 });
		const answer = await next();
		assert.ok(answer.type === "lateness" && answer.us.length === 20 && answer.us.every((us) => us >= 0));
		thread.stop();
		await ended;
	});
});
