import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RateLimit } from "./rate-limit.ts";

describe("a rate limit", () => {
	it("lets a burst pass, then so many a second, for each caller of its own", () => {
		const limit = new RateLimit({ perSecond: 2, burst: 3 });
		const taken = (caller: string, nowMs: number) => [1, 2, 3, 4, 5].filter(() => limit.take(caller, nowMs)).length;
		assert.equal(taken("a", 0), 3);
		assert.equal(taken("b", 0), 3);
		assert.equal(taken("a", 1_000), 2);
		assert.equal(taken("a", 100_000), 3);
	});

	it("forgets the caller that was quiet longest when there are too many", () => {
		const limit = new RateLimit({ perSecond: 0, burst: 1, mostCallers: 2 });
		for (const caller of ["a", "b", "c"]) assert.ok(limit.take(caller, 0));
		assert.equal(limit.take("c", 0), false);
		assert.equal(limit.take("a", 0), true);
	});
});
