import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isStarved, lookAtWorkers, type ProcessorLook } from "./is-starved.ts";

describe("a silent proxy", () => {
	const look = (atMs: number, ranMs: number, isRunnable: boolean, waitedMs = 0): ProcessorLook => ({
		atMs,
		workers: new Map([["7", { ranMs, waitedMs, isRunnable }]]),
	});
	const cases: readonly (readonly [string, ProcessorLook | undefined, boolean])[] = [
		["is starved when a worker would run and does not get to", look(160, 505, true), true],
		["was starved when it has waited for most of the time, and just had its turn", look(160, 502, false, 40), true],
		["hangs when it is stopped, or waits for something that does not come", look(160, 500, false), false],
		["hangs when it runs all the time and gives no sign all the same", look(160, 555, true), false],
		["counts as hung where nobody can tell", undefined, false],
	];
	for (const [what, now, starved] of cases) it(what, () => assert.equal(isStarved(look(100, 500, true), now), starved));

	it("is looked at by its threads; this process has no worker of Envoy", () => {
		assert.deepEqual(lookAtWorkers(process.pid, 5), { atMs: 5, workers: new Map() });
		assert.equal(lookAtWorkers(4_194_304, 5), undefined);
	});
});
