import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ReadinessOrder, ReadinessSwitch } from "./readiness-switch.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** `+` good, `-` bad; out come the orders given after each: b(ypass), r(estore) or nothing. */
async function orders(results: string, carriedOut: (order: ReadinessOrder, count: number) => boolean = () => true) {
	let given = "";
	let count = 0;
	const readiness = new ReadinessSwitch({ rise: 2, fall: 3 }, async (order) => {
		given += order.charAt(0);
		return carriedOut(order, ++count);
	});
	const out: string[] = [];
	for (const result of results) {
		given = "";
		readiness.count(result === "+");
		await settled();
		out.push(given || ".");
	}
	return out.join("");
}

describe("switching an adopted redirect by readiness", () => {
	it("takes it off after failures in a row and puts it back after successes in a row", async () => {
		assert.equal(await orders("++--+---+-++"), "r......b...r");
	});

	it("gives no order before it knows, and believes no single failure at the start", async () => {
		assert.equal(await orders("--"), "..");
		assert.equal(await orders("---"), "..b");
	});

	it("gives an order that failed again with the next result", async () => {
		assert.equal(await orders("----++", (_, count) => count > 1), "..bb.r");
	});

	it("gives one order at a time, and the latest wish wins", async () => {
		const given: string[] = [];
		const waiting: (() => void)[] = [];
		const readiness = new ReadinessSwitch({ rise: 1, fall: 1 }, (order) => {
			given.push(order);
			return new Promise((resolve) => waiting.push(() => resolve(true)));
		});
		for (const ok of [true, false, true, false]) readiness.count(ok);
		await settled();
		assert.deepEqual(given, ["restore"]);
		waiting.shift()?.();
		await settled();
		assert.deepEqual(given, ["restore", "bypass"]);
	});
});
