// Repetition, timeouts and events, with virtual time.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { type CheckOutcome, type Polling, startPolledProbe } from "./polled-probe.ts";
import type { ProbeResult } from "./probe.ts";

interface Run {
	readonly startedMs: number;
	readonly signal: AbortSignal;
	end(outcome: CheckOutcome): Promise<void>;
}

function rig(polling: Polling, random = 0.5) {
	const clock = new VirtualClock();
	const runs: Run[] = [];
	const results: (ProbeResult & { readonly atMs: number })[] = [];
	const probe = startPolledProbe(
		polling,
		(signal) =>
			new Promise((resolve) => {
				const end = async (outcome: CheckOutcome): Promise<void> => {
					resolve(outcome);
					await new Promise((done) => setImmediate(done));
				};
				runs.push({ startedMs: clock.monotonicMs(), signal, end });
			}),
		{ clock, random: () => random, onResult: (result) => results.push({ ...result, atMs: clock.monotonicMs() }) },
	);
	return { clock, runs, results, probe };
}

const good: CheckOutcome = { ok: true, because: "good" };

describe("a polled probe", () => {
	it("asks within 20 ms, then at a random moment, then each interval", async () => {
		const { clock, runs } = rig({ intervalMs: 1000, timeoutMs: 500 });
		for (const stepMs of [10, 750, 1000, 1000]) {
			clock.advance(stepMs);
			await runs.at(-1)?.end(good);
		}
		assert.deepEqual(
			runs.map((run) => run.startedMs),
			[10, 760, 1760, 2760],
		);
	});

	it("counts an interval from start to start", async () => {
		const { clock, runs } = rig({ intervalMs: 1000, timeoutMs: 500 }, 1);
		clock.advance(20);
		await runs[0]?.end(good);
		for (let count = 1; count < 5; count++) {
			clock.advance(1000);
			await runs[count]?.end(good);
		}
		assert.deepEqual(
			runs.map((run) => run.startedMs),
			[20, 1020, 2020, 3020, 4020],
		);
	});

	it("says after the timeout that there was no answer, aborts, and does not hear what comes later", async () => {
		const { clock, runs, results } = rig({ intervalMs: 1000, timeoutMs: 300 }, 0);
		clock.advance(300);
		assert.deepEqual(results, [{ ok: false, because: "no answer within 300 ms", tookMs: 300, atMs: 300 }]);
		assert.equal(runs[0]?.signal.aborted, true);
		await runs[0]?.end(good);
		assert.equal(results.length, 1);
	});

	it("does not take its own standing still for a missing answer", async () => {
		const clock = new VirtualClock();
		let stoodStillMs = 0;
		const results: ProbeResult[] = [];
		let end: (outcome: CheckOutcome) => void = () => undefined;
		startPolledProbe(
			{ intervalMs: 1000, timeoutMs: 300 },
			() =>
				new Promise((resolve) => {
					end = resolve;
				}),
			{
				clock: {
					...clock,
					after: clock.after.bind(clock),
					wallMs: () => 0,
					monotonicMs: () => clock.monotonicMs() + stoodStillMs,
				},
				random: () => 0,
				onResult: (result) => results.push(result),
			},
		);
		clock.advance(0);
		stoodStillMs = 400;
		clock.advance(300);
		assert.equal(results.length, 0);
		end(good);
		await new Promise((done) => setImmediate(done));
		assert.deepEqual(
			results.map((result) => result.ok),
			[true],
		);
	});

	it("never runs two at a time, also when events ask for more", async () => {
		const { clock, runs, probe } = rig({ intervalMs: 100, timeoutMs: 10_000, endsItself: true }, 0);
		clock.advance(0);
		probe.recheck();
		probe.recheck();
		clock.advance(5000);
		assert.equal(runs.length, 1);
		await runs[0]?.end(good);
		clock.advance(0);
		assert.equal(runs.length, 2, "what was asked for in the meantime follows at once");
		await runs[1]?.end(good);
		clock.advance(4);
		assert.equal(runs.length, 2, "and only once");
	});

	it("asks at once when told to, and at most each 5 ms", async () => {
		const { clock, runs, probe } = rig({ intervalMs: 1000, timeoutMs: 500 }, 0);
		clock.advance(0);
		await runs[0]?.end(good);
		clock.advance(100);
		probe.recheck();
		assert.equal(runs[1]?.startedMs, 100);
		await runs[1]?.end(good);
		probe.recheck();
		assert.equal(runs.length, 2);
		clock.advance(5);
		assert.equal(runs[2]?.startedMs, 105);
	});

	it("says why when a check throws", async () => {
		const clock = new VirtualClock();
		const results: ProbeResult[] = [];
		startPolledProbe({ intervalMs: 100, timeoutMs: 50 }, () => Promise.reject(new Error("broken")), {
			clock,
			random: () => 0,
			onResult: (result) => results.push(result),
		});
		clock.advance(0);
		await new Promise((done) => setImmediate(done));
		assert.deepEqual(results, [{ ok: false, because: "broken", tookMs: 0 }]);
	});

	it("is silent and leaves no timer once closed", async () => {
		const { clock, runs, results, probe } = rig({ intervalMs: 100, timeoutMs: 50 }, 0);
		clock.advance(0);
		probe.close();
		assert.equal(runs[0]?.signal.aborted, true);
		await runs[0]?.end(good);
		clock.advance(1000);
		assert.equal(results.length, 0);
		assert.equal(clock.armed, 0);
		assert.equal(runs.length, 1);
	});
});
