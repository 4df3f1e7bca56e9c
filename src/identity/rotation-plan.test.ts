import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planRotation, retryDelayMs } from "./rotation-plan.ts";

const hourMs = 3_600_000;

describe("the rotation of a 24 h certificate", () => {
	it("falls at half life, give or take 5 %", () => {
		assert.equal(planRotation(0, 24 * hourMs, 0.5).renewAtMs, 12 * hourMs);
		assert.equal(planRotation(0, 24 * hourMs, 0).renewAtMs, 0.45 * 24 * hourMs);
		assert.ok(planRotation(0, 24 * hourMs, 0.999).renewAtMs < 0.55 * 24 * hourMs);
	});

	it("alarms when a fifth of the life is left", () => {
		assert.equal(planRotation(0, 100, 0.5).alarmAtMs, 80);
	});

	it("is tried again after 50 ms, doubling up to a minute", () => {
		assert.deepEqual(
			[1, 2, 3, 12].map((failures) => retryDelayMs(failures, 0)),
			[50, 100, 200, 60_000],
		);
	});
});
