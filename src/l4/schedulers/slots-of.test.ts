import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Backend } from "../balancer.ts";
import { slotCounts } from "./slot-counts.ts";
import { slotsOf } from "./slots-of.ts";
import { weightedWheel } from "./weighted-wheel.ts";

function backend(name: string, weight = 1): Backend {
	return {
		address: `10.0.0.${name.charCodeAt(0) - 96}`,
		port: 80,
		weight,
		local: false,
		forwarding: { method: "NAT" },
	};
}
const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => backend(name)) as [Backend, Backend, Backend, Backend];

function names(slots: readonly Backend[]): string {
	return slots.map(({ address }) => String.fromCharCode(96 + Number(address.split(".")[3]))).join("");
}

describe("slots that chance or a counter draws", () => {
	it("are the list itself at first", () => {
		const list = [a, b, c];
		assert.equal(slotsOf(list, "random", undefined), list);
		assert.equal(slotsOf(list, "rr", undefined), list);
	});
	it("keep everybody's place when one leaves: only the last moves, into the hole", () => {
		assert.equal(names(slotsOf([b, c, d], "random", [a, b, c, d])), "dbc");
		assert.equal(names(slotsOf([a, b, c], "random", [a, b, c, d])), "abc");
	});
	it("give a newcomer the place of one who left", () => {
		assert.equal(names(slotsOf([a, c, d], "random", [a, b, c])), "adc");
		assert.equal(names(slotsOf([a, b, c, d], "random", [c, a, b])), "cabd");
	});
	it("give twice the weight twice the slots, and none to weight 0", () => {
		assert.equal(names(slotsOf([backend("a", 2), backend("b", 4), backend("c", 0)], "random", undefined)), "abb");
		assert.equal(names(slotsOf([backend("a", 2), backend("b", 4), backend("c", 0)], "rr", undefined)), "ab");
	});
	it("are none when nobody has weight", () => {
		assert.deepEqual(slotsOf([backend("a", 0)], "random", [a]), []);
		assert.deepEqual(slotsOf([], "rr", undefined), []);
	});
	it("follow a change of weight with as few moves as it takes", () => {
		assert.equal(names(slotsOf([backend("a", 2), b, c], "random", [a, b, c])), "abca");
		assert.equal(names(slotsOf([a, b, c], "random", [a, b, c, a])), "abc");
	});
});

describe("slots that a hash draws", () => {
	it("follow from the backends alone, whatever was before", () => {
		assert.equal(names(slotsOf([b, c, d], "source", [a, b, c, d])), "bcd");
		const table = slotsOf([a, b, c], "maglev", undefined);
		assert.equal(table.length, 1021);
		assert.deepEqual(slotsOf([a, b, c], "maglev", [d, d]), table);
	});
});

describe("weightedWheel", () => {
	it("spreads the heavy one between the others", () => {
		assert.deepEqual(weightedWheel([5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
		assert.deepEqual(weightedWheel([1, 1, 1]), [0, 1, 2]);
		assert.deepEqual(weightedWheel([2, 0, 1]), [0, 2, 0]);
	});
	it("has each as often as its count", () => {
		const wheel = weightedWheel([7, 3, 2]);
		assert.deepEqual(
			[0, 1, 2].map((each) => wheel.filter((index) => index === each).length),
			[7, 3, 2],
		);
	});
});

describe("slotCounts", () => {
	it("reduces weights to their smallest whole ratio", () => {
		assert.deepEqual(slotCounts([100, 200, 0]), [1, 2, 0]);
		assert.deepEqual(slotCounts([0, 0]), [0, 0]);
	});
	it("stays below its bound, everybody with weight keeping a slot", () => {
		const counts = slotCounts([65535, 1, 3]);
		assert.ok(counts.reduce((sum, count) => sum + count, 0) <= 1024);
		assert.deepEqual(counts.slice(1), [1, 1]);
		assert.deepEqual(slotCounts([65535, 1, 3, 0], 2), [1, 1, 1, 0]);
	});
	it("leaves many backends of one weight one slot each", () => {
		assert.ok(slotCounts(new Array<number>(3000).fill(7)).every((count) => count === 1));
	});
});
