import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NamedTimers } from "./named-timers.ts";
import { VirtualClock } from "./virtual-clock.ts";

describe("timers by name", () => {
	it("fire once each, after the time that was said last", () => {
		const clock = new VirtualClock();
		const fired: string[] = [];
		const timers = new NamedTimers<"one" | "two">(clock, (name) => fired.push(name));
		timers.set("one", 10);
		timers.set("two", 20);
		timers.set("one", 30);
		clock.advance(20);
		assert.deepEqual(fired, ["two"]);
		clock.advance(100);
		assert.deepEqual(fired, ["two", "one"]);
	});

	it("do not fire when they are cleared, one or all", () => {
		const clock = new VirtualClock();
		const fired: string[] = [];
		const timers = new NamedTimers<"one" | "two" | "three">(clock, (name) => fired.push(name));
		timers.set("one", 10);
		timers.set("two", 10);
		timers.clear("one");
		clock.advance(10);
		timers.set("three", 10);
		timers.clearAll();
		clock.advance(100);
		assert.deepEqual(fired, ["two"]);
	});

	it("can be set again by what they fire", () => {
		const clock = new VirtualClock();
		let rounds = 0;
		const timers: NamedTimers<"again"> = new NamedTimers(clock, () => {
			rounds += 1;
			if (rounds < 3) timers.set("again", 10);
		});
		timers.set("again", 10);
		clock.advance(100);
		assert.equal(rounds, 3);
	});
});
