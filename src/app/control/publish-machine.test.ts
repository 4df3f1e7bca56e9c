import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Cancel } from "../../runtime/clock.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import {
	defaultPublishConfig,
	initialPublishState,
	type PublishEvent,
	type PublishLane,
	stepPublish,
} from "./publish-machine.ts";

/** Runs the machine on a virtual clock and writes down when it published what. */
function harness(): { clock: VirtualClock; change: (lane: PublishLane) => void; published: string[] } {
	const clock = new VirtualClock();
	const published: string[] = [];
	const timers = new Map<PublishLane, Cancel>();
	let state = initialPublishState;
	const send = (event: PublishEvent): void => {
		const result = stepPublish(defaultPublishConfig, state, event);
		state = result.state;
		for (const action of result.actions) {
			if (action.type === "publish") published.push(`${action.lane}@${clock.monotonicMs()}`);
			else {
				timers.get(action.lane)?.();
				const fire = (): void => send({ type: "timerExpired", lane: action.lane });
				timers.set(action.lane, clock.after(action.afterMs, fire));
			}
		}
	};
	return { clock, published, change: (lane) => send({ type: "changed", lane, nowMs: clock.monotonicMs() }) };
}

describe("publish machine", () => {
	it("publishes the first change after 2 ms, together with what comes meanwhile", () => {
		const { clock, change, published } = harness();
		change("everything");
		clock.advance(1);
		change("everything");
		clock.advance(50);
		assert.deepEqual(published, ["everything@2"]);
	});

	it("is quick again after 100 ms without changes", () => {
		const { clock, change, published } = harness();
		change("everything");
		clock.advance(102);
		change("everything");
		clock.advance(2);
		assert.deepEqual(published, ["everything@2", "everything@104"]);
	});

	it("gathers a change that follows within 100 ms until the pause", () => {
		const { clock, change, published } = harness();
		change("everything");
		clock.advance(50);
		change("everything");
		clock.advance(60);
		change("everything");
		clock.advance(99);
		assert.deepEqual(published, ["everything@2"]);
		clock.advance(1);
		assert.deepEqual(published, ["everything@2", "everything@210"]);
	});

	it("publishes every second in a storm that never pauses", () => {
		const { clock, change, published } = harness();
		for (let at = 0; at < 3000; at += 10) {
			change("everything");
			clock.advance(10);
		}
		clock.advance(1000);
		assert.deepEqual(published, ["everything@2", "everything@1010", "everything@2010", "everything@3010"]);
	});

	it("loses no change: each is followed by a publication within 1,002 ms", () => {
		let seed = 7;
		const random = (): number => {
			seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
			return seed / 2 ** 32;
		};
		const { clock, change, published } = harness();
		const changedAt: number[] = [];
		for (let i = 0; i < 2000; i++) {
			changedAt.push(clock.monotonicMs());
			change("everything");
			clock.advance(Math.floor(random() ** 4 * 400));
		}
		clock.advance(2000);
		const times = published.map((line) => Number(line.split("@")[1]));
		for (const at of changedAt) {
			assert.ok(
				times.some((time) => time >= at && time <= at + 1002),
				`the change at ${at} waited too long`,
			);
		}
	});

	it("lets endpoint changes pass the debounce, at most every 10 ms", () => {
		const { clock, change, published } = harness();
		change("everything");
		clock.advance(3);
		change("everything");
		for (let i = 0; i < 5; i++) {
			change("endpoints");
			clock.advance(4);
		}
		clock.advance(20);
		assert.deepEqual(published, ["everything@2", "endpoints@3", "endpoints@13", "endpoints@23"]);
	});

	it("arms nothing when all is quiet", () => {
		const { clock, change } = harness();
		change("everything");
		change("endpoints");
		clock.advance(5000);
		assert.equal(clock.armed, 0);
	});
});
