import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	type CertificateTimes,
	openRenewal,
	type RenewalEvent,
	type RenewalState,
	stepRenewal,
} from "./renewal-machine.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const startMs = 1_700_000_000_000;

type Unstamped = RenewalEvent extends infer Event ? (Event extends RenewalEvent ? Omit<Event, "now"> : never) : never;

/** A machine whose two clocks are moved by hand; looks again when it asked to, at most. */
function machine() {
	let state: RenewalState = openRenewal();
	let wallMs = startMs;
	let monotonicMs = 0;
	let lookInMs = 0;
	const said: string[] = [];
	const run = (event: Unstamped): void => {
		const step = stepRenewal(state, { ...event, now: { wallMs, monotonicMs, random: 0.5 } });
		state = step.state;
		for (const action of step.actions) {
			if (action.type === "lookAgain") lookInMs = action.inMs;
			else said.push(action.type);
		}
	};
	return {
		run,
		said,
		get lookInMs() {
			return lookInMs;
		},
		take: () => said.splice(0),
		/** Lets time pass; the machine looks when it wanted to. */
		pass: (ms: number) => {
			for (let leftMs = ms; leftMs > 0; ) {
				const stepMs = Math.min(leftMs, lookInMs);
				wallMs += stepMs;
				monotonicMs += stepMs;
				leftMs -= stepMs;
				run({ type: "looked" });
			}
		},
		jump: (ms: number) => {
			wallMs += ms;
		},
		certificate: (issuerKeyId = "a", lifeMs = 24 * hourMs): CertificateTimes => ({
			notBeforeMs: wallMs - 2 * minuteMs,
			notAfterMs: wallMs + lifeMs,
			issuerKeyId,
		}),
	};
}

describe("the renewal of a certificate", () => {
	it("asks at once while there is none, and at half life", () => {
		const m = machine();
		m.run({ type: "looked" });
		assert.deepEqual(m.take(), ["ask"]);
		m.run({ type: "succeeded", times: m.certificate() });
		m.pass(11.9 * hourMs);
		assert.deepEqual(m.take(), []);
		m.pass(0.2 * hourMs);
		assert.deepEqual(m.take(), ["ask"]);
	});

	it("leaves a stored one alone until its half life", () => {
		const m = machine();
		m.run({ type: "loaded", times: m.certificate() });
		assert.deepEqual(m.take(), []);
	});

	it("asks one at a time", () => {
		const m = machine();
		m.run({ type: "looked" });
		m.run({ type: "looked" });
		m.run({ type: "issuerWanted", issuerKeyId: "b" });
		assert.deepEqual(m.take(), ["ask"]);
	});

	it("tries again quickly at first, then at least each minute or so", () => {
		const m = machine();
		const waits: number[] = [];
		m.run({ type: "looked" });
		for (let failure = 0; failure < 14; failure++) {
			m.run({ type: "failed" });
			let waitedMs = 0;
			m.take();
			while (m.said.length === 0) {
				waitedMs += m.lookInMs;
				m.pass(m.lookInMs);
			}
			waits.push(waitedMs);
		}
		assert.deepEqual(waits.slice(0, 4), [57, 113, 225, 450]);
		assert.ok(Math.max(...waits) <= 75_001, `${waits}`);
	});

	it("alarms once when a fifth is left, and says when that is over", () => {
		const m = machine();
		m.run({ type: "loaded", times: m.certificate() });
		m.pass(12.1 * hourMs);
		m.run({ type: "failed" });
		m.take();
		for (let hour = 0; hour < 8; hour++) {
			m.pass(hourMs);
			m.run({ type: "failed" });
		}
		assert.deepEqual(
			m.take().filter((what) => what !== "ask"),
			["alarm"],
		);
		m.run({ type: "succeeded", times: m.certificate() });
		assert.deepEqual(m.take(), ["endAlarm"]);
	});

	it("is not put off by a wall clock that is set back", () => {
		const m = machine();
		m.run({ type: "loaded", times: m.certificate() });
		m.pass(6 * hourMs);
		m.jump(-hourMs);
		m.pass(6.2 * hourMs);
		assert.deepEqual(m.take(), ["ask"]);
	});

	for (const [name, jumpMs] of [
		["an hour", hourMs],
		["a day", 24 * hourMs],
	] as const)
		it(`notices within a minute that the wall clock was put ${name} ahead`, () => {
			const m = machine();
			m.run({ type: "loaded", times: m.certificate("a", 1.5 * hourMs) });
			m.jump(jumpMs);
			m.pass(minuteMs);
			assert.equal(m.take()[jumpMs > 2 * hourMs ? 1 : 0], "ask");
		});

	for (const [name, jumpMs] of [
		["an hour", hourMs],
		["a day", 24 * hourMs],
	] as const)
		it(`asks, but seldom, while the clock stands ${name} before the certificate's time`, () => {
			const m = machine();
			const times = m.certificate();
			m.run({ type: "loaded", times });
			m.jump(-jumpMs);
			m.pass(minuteMs);
			assert.deepEqual(m.take(), ["ask"]);
			m.run({ type: "succeeded", times });
			m.pass(9 * minuteMs);
			assert.deepEqual(m.take(), []);
			m.pass(4 * minuteMs);
			assert.deepEqual(m.take(), ["ask"]);
			m.jump(jumpMs);
			m.run({ type: "succeeded", times: m.certificate() });
			m.pass(11 * hourMs);
			assert.deepEqual(m.take(), []);
		});

	it("looks at everything at least each minute", () => {
		const m = machine();
		m.run({ type: "loaded", times: m.certificate("a", 1e12) });
		assert.ok(m.lookInMs <= minuteMs);
	});

	it("asks at once for one of the wanted issuer, and again while the answer comes from the old one", () => {
		const m = machine();
		m.run({ type: "loaded", times: m.certificate("a") });
		m.run({ type: "issuerWanted", issuerKeyId: "a" });
		assert.deepEqual(m.take(), []);
		m.run({ type: "issuerWanted", issuerKeyId: "b" });
		assert.deepEqual(m.take(), ["ask"]);
		m.run({ type: "succeeded", times: m.certificate("a") });
		assert.deepEqual(m.take(), []);
		m.pass(100);
		assert.deepEqual(m.take(), ["ask"]);
		m.run({ type: "succeeded", times: m.certificate("b") });
		m.pass(11 * hourMs);
		assert.deepEqual(m.take(), []);
	});

	it("does not wait when it is told that the trouble may be over", () => {
		const m = machine();
		m.run({ type: "looked" });
		for (let failure = 0; failure < 12; failure++) {
			m.run({ type: "failed" });
			m.pass(200_000);
		}
		m.run({ type: "failed" });
		m.take();
		m.run({ type: "nudged" });
		assert.deepEqual(m.take(), ["ask"]);
	});
});
