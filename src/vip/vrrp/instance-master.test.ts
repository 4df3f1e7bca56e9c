// One virtual router as a master, event by event: what it does, in which order, and where nothing happens.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InstanceConfig } from "../vip-config.ts";
import { Driven } from "./driven-instance.testing.ts";
import { instanceForTest } from "./instance-config.testing.ts";

const ms = 1000;

describe("a master", () => {
	const master = (changed: Partial<InstanceConfig> = {}): Driven => new Driven(changed, "MASTER");

	for (const [what, config, priority, higher, does] of [
		["yields to a higher priority without saying 0", {}, 150, false, "remove down@860.937 MASTER>BACKUP say:100"],
		["yields to the same priority of a higher address", {}, 100, true, "remove down@860.937 MASTER>BACKUP say:100"],
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
		assert.match(driven.hear(600, 255, { higher: true }), /^remove down@.* MASTER>BACKUP say:255$/);
		assert.equal(driven.counted("two_owners"), 2);
	});

	it("stays master through a reload", () => {
		const driven = master();
		assert.equal(driven.step({ type: "configChanged", nowUs: 400 * ms }), "say:100 advert@460.937");
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
