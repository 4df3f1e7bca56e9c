import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DrainConfig, type DrainEvent, type DrainState, leaverName, noDrain, step } from "./drain-machine.ts";

const config: DrainConfig = { pollMs: 2_000 };
const [one, two] = [
	{ server: "tcp 10.96.0.1:80", destination: "10.0.0.11:8080" },
	{ server: "tcp 10.96.0.1:80", destination: "10.0.0.12:8080" },
];
const counted = (nowMs: number, ...counts: readonly number[]): DrainEvent => ({
	type: "counted",
	nowMs,
	connections: new Map(counts.map((count, index) => [leaverName(index === 0 ? one : two), count])),
});

function run(settings: DrainConfig, ...events: readonly DrainEvent[]) {
	let state: DrainState = noDrain;
	return events.map((event) => {
		const stepped = step(settings, state, event);
		state = stepped.state;
		return stepped.actions;
	});
}

describe("leaving destinations", () => {
	const left: DrainEvent = { type: "left", leavers: [one, two], nowMs: 0 };

	it("are counted again and again, and go when their connections have ended, each by itself", () => {
		assert.deepEqual(run(config, left, counted(2_000, 3, 1), counted(4_000, 2, 0), counted(6_000, 0)), [
			[{ type: "countAfter", ms: 2_000 }],
			[{ type: "countAfter", ms: 2_000 }],
			[
				{ type: "remove", leavers: [two] },
				{ type: "countAfter", ms: 2_000 },
			],
			[{ type: "remove", leavers: [one] }],
		]);
	});

	it("go when the kernel does not know them any more", () => {
		assert.deepEqual(run(config, left, counted(2_000, 1))[1]?.[0], { type: "remove", leavers: [two] });
	});

	it("stay when they are wanted again", () => {
		const actions = run(config, left, { type: "returned", leavers: [one] }, counted(2_000, 0, 0));
		assert.deepEqual(actions[2], [{ type: "remove", leavers: [two] }]);
	});

	it("are counted by one timer, however many leave one after another", () => {
		const later: DrainEvent = { type: "left", leavers: [two], nowMs: 500 };
		assert.deepEqual(run(config, { ...left, leavers: [one] }, later)[1], []);
	});

	it("are counted again after the kernel could not be asked", () => {
		assert.deepEqual(run(config, left, { type: "countFailed" })[1], [{ type: "countAfter", ms: 2_000 }]);
	});

	it("go after the longest time whatever they have", () => {
		const settings = { ...config, longestMs: 5_000 };
		const actions = run(settings, left, counted(4_000, 9, 9), counted(6_000, 9, 9));
		assert.deepEqual(actions[2], [{ type: "remove", leavers: [one, two] }]);
	});
});
