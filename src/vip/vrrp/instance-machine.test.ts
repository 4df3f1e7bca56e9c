// One virtual router, event by event: what it does, in which order, and where nothing happens. Rows are named by what the
// specifications or keepalived's manual say.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InstanceConfig } from "../vip-config.ts";
import { instanceForTest } from "./instance-config.testing.ts";
import { initialInstanceState, stepInstance } from "./instance-machine.ts";
import type { InstanceAction, InstanceEvent, InstanceRole, InstanceState } from "./instance-state.ts";
import { downIntervalUs, skewUs, successionLimitUs } from "./instance-timers.ts";

const ms = 1000;

class Driven {
	readonly config: InstanceConfig;
	state: InstanceState;
	actions: InstanceAction[] = [];

	constructor(changed: Partial<InstanceConfig> = {}, role: InstanceRole = "BACKUP") {
		this.config = instanceForTest(changed);
		this.state = initialInstanceState(this.config);
		this.step({ type: "started", nowUs: 0 });
		if (role === "MASTER" && this.state.role === "BACKUP") this.expire("down");
		this.actions = [];
	}

	step(event: InstanceEvent): string {
		const { state, actions } = stepInstance(this.config, this.state, event);
		this.state = state;
		this.actions.push(...actions);
		return actions.map(inShort).filter(Boolean).join(" ");
	}

	hear(
		atMs: number,
		priority: number,
		changed: { higher?: boolean; source?: string; intervalMs?: number } = {},
	): string {
		const advert = {
			priority,
			intervalMs: changed.intervalMs ?? this.config.advertIntervalMs,
			sourceIsHigher: changed.higher ?? false,
			notes: [],
		};
		return this.step({ type: "advertReceived", nowUs: atMs * ms, advert, source: changed.source ?? "10.0.0.2" });
	}

	expire(timer: "down" | "advert" | "handOver" | "retry" | "announceAgain" | "announceRefresh", lateMs = 0): string {
		const dues = {
			down: this.state.down?.dueUs,
			advert: this.state.advertDueUs,
			handOver: this.state.handOver?.untilUs,
		};
		const last = this.actions.findLast((action) => action.type === "setTimer" && action.timer === timer);
		const armed = last?.type === "setTimer" ? last.dueUs : 0;
		const dueUs = (timer in dues ? dues[timer as keyof typeof dues] : undefined) ?? armed;
		return this.step({ type: "timerExpired", nowUs: dueUs + lateMs * ms, timer, dueUs });
	}

	counted(reason: string): number {
		return this.actions.filter((action) => action.type === "count" && action.reason === reason).length;
	}
}

/** Actions as words; counts and cancelled timers are left out. */
function inShort(action: InstanceAction): string {
	switch (action.type) {
		case "sendAdvert":
			return `say:${action.advert.priority}`;
		case "addAddresses":
			return "add";
		case "removeAddresses":
			return "remove";
		case "announce":
			return `announce:${action.copies}`;
		case "setTimer":
			return `${action.timer}@${action.dueUs / ms}`;
		case "report":
			return `${action.transition.from}>${action.transition.to}`;
		case "lowerPriorityHeard":
			return "lower";
		case "note":
			return "note";
		case "cancelTimer":
		case "count":
			return "";
		default:
			return action satisfies never;
	}
}

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

describe("a master", () => {
	const master = (changed: Partial<InstanceConfig> = {}): Driven => new Driven(changed, "MASTER");

	for (const [what, config, priority, higher, does] of [
		["yields to a higher priority without saying 0", {}, 150, false, "remove down@860.937 MASTER>BACKUP"],
		["yields to the same priority of a higher address", {}, 100, true, "remove down@860.937 MASTER>BACKUP"],
		[
			"says a last advert where that is set",
			{ advertOnHigherPriority: true },
			150,
			false,
			"say:100 remove down@860.937 MASTER>BACKUP",
		],
		["answers a lower priority at once", {}, 50, true, "lower say:100 announce:5 announceAgain@5500"],
		[
			"answers the same priority of a lower address at once",
			{},
			100,
			false,
			"lower say:100 announce:5 announceAgain@5500",
		],
		[
			"answers with gratuitous ARP alone under lower_prio_no_advert",
			{ advertOnLowerPriority: false },
			50,
			false,
			"lower announce:5 announceAgain@5500",
		],
		["answers priority 0 at once", {}, 0, true, "say:100"],
	] as const) {
		it(`${what}`, () => {
			assert.equal(master(config).hear(500, priority, { higher }), does);
		});
	}

	it("makes no flood of answers out of a flood of forged adverts", () => {
		const driven = master();
		driven.hear(500, 50);
		for (let count = 0; count < 1000; count++) assert.equal(driven.hear(510, 50), "lower");
		assert.match(driven.hear(525, 50), /say:100/);
	});

	it("advertises on its schedule, however late its timer is", () => {
		const driven = master();
		assert.equal(driven.expire("advert", 30), "say:100 advert@560.937");
		assert.equal(driven.expire("advert", 0), "say:100 advert@660.937");
	});

	it("announces anew after it stood still, as the switches may have been turned", () => {
		const driven = master();
		assert.equal(driven.expire("advert", 300), "say:100 advert@860.937 note announce:5 announceAgain@5760.937");
	});

	it("announces again now and then where that is set", () => {
		const announce = { ...instanceForTest().announce, refreshMs: 1000, refreshRepeat: 2 };
		const driven = new Driven({ announce });
		driven.expire("down");
		assert.equal(driven.expire("announceRefresh"), "announce:2 announceRefresh@2360.937");
		assert.equal(driven.expire("announceAgain"), "announce:5");
	});

	it("removes the addresses before it says 0 at a fault", () => {
		const faulty = { type: "faultChanged", nowUs: 400 * ms, reasons: ["eth1 is down", "script"] } as const;
		const driven = master();
		assert.equal(driven.step(faulty), "remove say:0 MASTER>FAULT");
		assert.equal(driven.state.because, "eth1 is down, script");
		assert.equal(driven.hear(500, 50), "");
		assert.equal(driven.step({ ...faulty, reasons: [] }), "down@760.937 FAULT>BACKUP");
	});

	it("tells a changed priority at once", () => {
		assert.equal(master().step({ type: "priorityChanged", nowUs: 400 * ms, priority: 40 }), "say:40");
	});

	it("stops at once where nothing is to be handed over", () => {
		const driven = master();
		assert.equal(driven.step({ type: "stopRequested", nowUs: 1, handOver: false }), "remove say:0 MASTER>STOP");
		assert.equal(driven.step({ type: "stopRequested", nowUs: 2, handOver: true }), "");
	});

	it("keeps the addresses after 0 until a successor speaks, whatever its priority", () => {
		const driven = master();
		assert.equal(driven.step({ type: "stopRequested", nowUs: 400 * ms, handOver: true }), "say:0 handOver@525");
		assert.equal(driven.hear(401, 0), "");
		assert.equal(driven.step({ type: "priorityChanged", nowUs: 402 * ms, priority: 40 }), "");
		assert.equal(driven.expire("advert"), "");
		assert.equal(driven.hear(410, 1), "remove MASTER>STOP");
	});

	it("gives up a hand-over at a fault, and a move for a stop", () => {
		const driven = master();
		driven.step({ type: "moveRequested", nowUs: 400 * ms });
		driven.step({ type: "stopRequested", nowUs: 401 * ms, handOver: true });
		assert.equal(driven.hear(410, 1), "remove MASTER>STOP");
		const faulty = master();
		faulty.step({ type: "stopRequested", nowUs: 400 * ms, handOver: true });
		const fault = { type: "faultChanged", nowUs: 401 * ms, reasons: ["x"] } as const;
		assert.equal(faulty.step(fault), "remove say:0 MASTER>STOP");
	});

	it("wakes nobody else when a successor was asked by name", () => {
		const driven = master();
		assert.equal(driven.step({ type: "moveRequested", nowUs: 400 * ms, named: true }), "handOver@525");
		assert.equal(driven.expire("handOver"), "say:100 advert@625 note");
	});

	it("goes to FAULT when the addresses cannot be added, and tries again later and later", () => {
		const driven = master();
		const failed = { type: "actionFailed", action: "addAddresses", because: "no such device" } as const;
		assert.equal(driven.step({ ...failed, nowUs: 400 * ms }), "note remove say:0 MASTER>FAULT retry@1400");
		assert.equal(driven.expire("retry"), "down@1760.937 FAULT>BACKUP");
		driven.expire("down");
		assert.match(driven.step({ ...failed, nowUs: 2_000 * ms }), /retry@4000$/);
		driven.expire("retry");
		driven.expire("down");
		driven.expire("advert");
		assert.match(driven.step({ ...failed, nowUs: 9_000 * ms }), /retry@10000$/);
	});

	it("tries again to remove addresses that could not be removed", () => {
		const driven = master();
		driven.hear(400, 150);
		const failed = { type: "actionFailed", action: "removeAddresses", because: "busy" } as const;
		assert.equal(driven.step({ ...failed, nowUs: 401 * ms }), "note retry@1401");
		assert.equal(driven.expire("retry"), "remove");
	});

	it("defends its address and says who else has it", () => {
		const driven = master();
		const conflict = { type: "addressConflict", address: "10.77.0.100", mac: "02:00:00:00:00:07" } as const;
		assert.equal(driven.step({ ...conflict, nowUs: 400 * ms }), "note announce:1");
		assert.equal(driven.step({ ...conflict, nowUs: 410 * ms }), "note");
		assert.equal(driven.counted("address_conflict"), 2);
	});

	it("of 255 yields to another owner with a higher address only, and counts it", () => {
		const owner = { priority: 255, initialState: "MASTER" } as const;
		const driven = master(owner);
		assert.match(driven.hear(500, 255, { higher: false }), /^lower say:255/);
		assert.match(driven.hear(600, 255, { higher: true }), /^remove down@.* MASTER>BACKUP$/);
		assert.equal(driven.counted("two_owners"), 2);
	});

	it("stays master through a reload", () => {
		const driven = master();
		assert.equal(driven.step({ type: "configChanged", nowUs: 400 * ms }), "say:100 advert@500");
	});

	it("counts adverts, priority 0 and moves as keepalived does", () => {
		const driven = new Driven();
		driven.expire("down");
		driven.hear(400, 50);
		driven.hear(500, 0);
		driven.step({ type: "faultChanged", nowUs: 600 * ms, reasons: ["x"] });
		const counted = ["advert_rcvd", "advert_sent", "pri_zero_rcvd", "pri_zero_sent", "become_master", "release_master"];
		assert.deepEqual(
			counted.map((reason) => driven.counted(reason)),
			[2, 4, 1, 1, 1, 1],
		);
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
