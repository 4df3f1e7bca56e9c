import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type SentRequest, sideReport } from "./sent-requests.ts";

const ms = 1000;
/** One each 4 ms, answered after 1 ms, but for those that a test names by when they were due. */
function requests(failedAtMs: readonly number[], lateMs: Readonly<Record<number, number>> = {}): SentRequest[] {
	return Array.from({ length: 100 }, (_, index) => {
		const dueMs = index * 4;
		const outcome = failedAtMs.includes(dueMs) ? "ECONNREFUSED" : "200";
		return { dueUs: dueMs * ms, endUs: (dueMs + (lateMs[dueMs] ?? 1)) * ms, outcome };
	});
}

describe("requests one by one", () => {
	it("are each counted, as good or as lost", () => {
		const { sent, lost, byOutcome } = sideReport(requests([40, 44]));
		assert.deepEqual({ sent, lost, byOutcome }, { sent: 100, lost: 2, byOutcome: { "200": 98, ECONNREFUSED: 2 } });
	});

	it("fail from the fault until the last that failed was due, however late one is reset", () => {
		const held = requests([200, 204, 212], { 212: 150 });
		assert.equal(sideReport(held, 0, 190 * ms).failingMs, 22);
		assert.equal(sideReport(requests([]), 0, 190 * ms).failingMs, 0);
	});

	it("show a failure long after the fault as what it is", () => {
		assert.equal(sideReport(requests([200, 360]), 0, 198 * ms).failingMs, 162);
	});

	it("have the gap between good answers, stalls included", () => {
		assert.equal(sideReport(requests([40, 44])).gapMs, 12);
		assert.equal(sideReport(requests([], Object.fromEntries([40, 44, 48].map((at) => [at, 61 - at])))).gapMs, 16);
		const dead = requests(Array.from({ length: 90 }, (_, index) => 40 + index * 4));
		assert.equal(sideReport(dead).gapMs, 396 - 37, "also when nothing is answered any more");
	});

	it("count from a moment on when asked to", () => {
		const { sent, lost } = sideReport(requests([40, 200]), 100 * ms);
		assert.deepEqual({ sent, lost }, { sent: 75, lost: 1 });
	});
});
