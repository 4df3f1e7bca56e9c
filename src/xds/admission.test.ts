import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AdmissionState, admit, defaultAdmissionConfig as config, initialAdmission } from "./admission.ts";

/** A step each 50 ms; `late` says how late the loop is when so many were let in. */
function storm(streams: number, late: (admitted: number) => number) {
	let state: AdmissionState = initialAdmission(config, 0);
	let waiting = streams;
	let atMs = 0;
	let most = 0;
	let lateMs = 0;
	for (; waiting > 0 && atMs < 600_000; atMs += 50 + lateMs) {
		const step = admit(config, state, waiting, atMs, lateMs);
		state = step.state;
		waiting -= step.admitted;
		if (atMs > 0) most = Math.max(most, step.admitted);
		lateMs = late(step.admitted);
	}
	return { tookMs: atMs, most, perSecond: state.perSecond };
}

describe("the admission of streams", () => {
	it("lets a few in at once, whatever the rate", () => {
		const { admitted } = admit(config, initialAdmission(config, 0), 40, 0);
		assert.equal(admitted, 40);
	});

	it("takes a storm that the loop can bear faster and faster", () => {
		const { tookMs } = storm(10_000, () => 0);
		assert.ok(tookMs < 12_000, `${tookMs}`);
	});

	it("slows down to what a loop bears that each stream keeps busy for 10 ms, and still lets everybody in", () => {
		const { tookMs, perSecond } = storm(2_000, (admitted) => admitted * 10);
		// Two thousand streams are 20 s of work.
		assert.ok(tookMs > 20_000 && tookMs < 60_000, `${tookMs}`);
		assert.ok(perSecond < config.first, `${perSecond}`);
	});

	it("never stops, however late the loop is", () => {
		const { tookMs } = storm(200, () => 5_000);
		assert.ok(tookMs < 600_000, `${tookMs}`);
	});
});
