// One virtual router, event by event: what it does, in which order, and where nothing happens. Rows are named by what the
// specifications or keepalived's manual say.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Driven, inShort } from "./driven-instance.testing.ts";
import { instanceForTest } from "./instance-config.testing.ts";
import { initialInstanceState, stepInstance } from "./instance-machine.ts";
import { downIntervalUs, skewUs, successionLimitUs } from "./instance-timers.ts";

const ms = 1000;

describe("a virtual router that starts", () => {
	it("removes what a crashed run left, and waits for three intervals and the skew", () => {
		const config = instanceForTest();
		const { actions } = stepInstance(config, initialInstanceState(config), { type: "started", nowUs: 0 });
		assert.equal(actions.map(inShort).filter(Boolean).join(" "), "remove down@360.937 INIT>BACKUP");
	});

	it("claims at once as the owner of the addresses", () => {
		const config = instanceForTest({ priority: 255, initialState: "MASTER" });
		const { actions } = stepInstance(config, initialInstanceState(config), { type: "started", nowUs: 0 });
		assert.equal(
			actions.map(inShort).filter(Boolean).join(" "),
			"remove say:255 add advert@100 announce:5 announceAgain@5000 INIT>MASTER",
		);
	});

	it("is in FAULT when something is wrong already", () => {
		const config = instanceForTest();
		const told = stepInstance(config, initialInstanceState(config), {
			type: "faultChanged",
			nowUs: 0,
			reasons: ["eth0 is down"],
		});
		const { state, actions } = stepInstance(config, told.state, { type: "started", nowUs: 1 });
		assert.equal(state.role, "FAULT");
		assert.equal(actions.map(inShort).filter(Boolean).join(" "), "remove INIT>FAULT");
	});

	it("starts once only", () => {
		assert.equal(new Driven().step({ type: "started", nowUs: 9 }), "");
	});
});

describe("a backup", () => {
	for (const [what, config, priority, does] of [
		["restarts its timer with a higher priority", {}, 150, "down@370.937"],
		["restarts its timer with the same priority", {}, 100, "down@370.937"],
		["leaves its timer with a lower priority", {}, 99, ""],
		["restarts its timer with a lower priority and nopreempt", { preempt: false }, 99, "down@370.937"],
		["restarts its timer with a lower priority while preempt_delay runs", { preemptDelayMs: 1000 }, 99, "down@370.937"],
		["waits only for the skew with priority 0", {}, 0, "down@70.937"],
		[
			"waits for a skew of up to a second with priority 0 in version 2",
			{ version: 2, advertIntervalMs: 1000 },
			0,
			"down@619.375",
		],
	] as const) {
		it(`${what}`, () => {
			assert.equal(new Driven(config).hear(10, priority), does);
		});
	}

	it("says its advert before it adds the addresses, and announces them after", () => {
		assert.equal(
			new Driven().expire("down"),
			"say:100 add advert@460.937 announce:5 announceAgain@5360.937 BACKUP>MASTER",
		);
	});

	it("learns the interval of its master anew with each advert", () => {
		const driven = new Driven();
		assert.equal(driven.hear(0, 150, { intervalMs: 1000 }), "down@3609.375");
		assert.equal(driven.hear(0, 150, { intervalMs: 10 }), "down@36.093");
	});

	it("ends preempt_delay when a higher priority is heard", () => {
		const driven = new Driven({ preemptDelayMs: 1000 });
		driven.hear(0, 50);
		driven.hear(900, 150);
		assert.equal(driven.hear(1_500, 50), "down@1860.937");
		assert.equal(driven.hear(2_499, 50), "down@2859.937");
		assert.equal(driven.hear(2_500, 50), "");
	});

	it("does not believe a timer that is late by more than half its interval, but once", () => {
		const driven = new Driven();
		assert.equal(driven.expire("down", 181), "note down@641.937");
		assert.equal(driven.counted("late_timer"), 1);
		assert.match(driven.expire("down", 500), /^say:100 add/);
	});

	it("believes a timer that is late by less", () => {
		assert.match(new Driven().expire("down", 180), /^say:100 add/);
	});

	it("does nothing for timers, faults and orders that do not concern it", () => {
		const driven = new Driven();
		for (const timer of ["advert", "handOver", "announceAgain", "announceRefresh"] as const)
			assert.equal(driven.step({ type: "timerExpired", nowUs: 1, timer, dueUs: 1 }), "", timer);
		assert.equal(driven.step({ type: "faultChanged", nowUs: 1, reasons: [] }), "");
		assert.equal(driven.step({ type: "moveRequested", nowUs: 1 }), "");
		assert.equal(driven.step({ type: "priorityChanged", nowUs: 1, priority: 100 }), "");
		assert.equal(driven.step({ type: "addressConflict", nowUs: 1, address: "10.0.0.1", mac: "02:00" }), "");
	});

	it("goes on with its timer through a reload that changes no times", () => {
		const driven = new Driven();
		driven.hear(10, 150);
		assert.equal(driven.step({ type: "configChanged", nowUs: 300 * ms }), "");
		const slower = { ...driven.config, downAfterAdverts: 5 };
		const { actions } = stepInstance(slower, driven.state, { type: "configChanged", nowUs: 300 * ms });
		assert.deepEqual(actions.map(inShort), ["down@570.937"]);
	});

	it("stops at once", () => {
		assert.equal(new Driven().step({ type: "stopRequested", nowUs: 1, handOver: true }), "BACKUP>STOP");
	});

	it("minds a lost heartbeat only while no advert came after it", () => {
		const fastHeartbeat = { intervalMs: 25, missed: 3, port: 15112 };
		const lost = { type: "heartbeatLost", nowUs: 175 * ms, peer: "p", lastHeardUs: 100 * ms } as const;
		for (const [heardMs, does] of [
			[100, "down@175"],
			[124, "down@175"],
			[150, ""],
		] as const) {
			const driven = new Driven({ fastHeartbeat, advertIntervalMs: 1000 });
			driven.step({ type: "rankChanged", nowUs: 0, rank: 0 });
			driven.hear(heardMs, 150);
			assert.equal(driven.step(lost), does, `${heardMs}`);
		}
	});

	it("leaves the adverts to decide where it knows of no rank, or has no fast heartbeat", () => {
		const lost = { type: "heartbeatLost", nowUs: 1, peer: "p", lastHeardUs: 0 } as const;
		assert.equal(new Driven({ fastHeartbeat: { intervalMs: 25, missed: 3, port: 1 } }).step(lost), "");
		const driven = new Driven();
		driven.step({ type: "rankChanged", nowUs: 0, rank: 0 });
		assert.equal(driven.step(lost), "");
	});
});

describe("times", () => {
	const three = { version: 3, advertIntervalMs: 10, downAfterAdverts: 3 } as const;
	const two = { version: 2, advertIntervalMs: 1000, downAfterAdverts: 3 } as const;

	it("keep the skew in microseconds at the shortest interval", () => {
		assert.equal(skewUs(three, 100, 10_000), 6093);
		assert.notEqual(skewUs(three, 100, 10_000), skewUs(three, 101, 10_000));
	});

	it("have a skew of a second's fraction in version 2", () => {
		assert.equal(skewUs(two, 100, 5_000_000), 609_375);
		assert.equal(downIntervalUs(two, 100, 1_000_000), 3_609_375);
	});

	it("wait for a successor as long as the lowest priority may take", () => {
		assert.ok(successionLimitUs(three) > skewUs(three, 1, 10_000));
		assert.ok(successionLimitUs(two) > skewUs(two, 1, 1_000_000));
	});

	it("count down_timer_adverts intervals", () => {
		assert.equal(downIntervalUs({ ...three, downAfterAdverts: 5 }, 254, 10_000), 50_078);
	});
});
