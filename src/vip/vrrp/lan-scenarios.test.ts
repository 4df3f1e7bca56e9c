// What a few routers on one LAN do, on virtual time: who owns, when, and for how long nobody or two did.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import { instanceForTest } from "./instance-config.testing.ts";
import { lanOf, ownerNames, router } from "./lan-routers.testing.ts";
import { SimulatedLan } from "./lan-simulator.testing.ts";

const ms = 1000;

describe("routers on a LAN", () => {
	it("have the one with the highest priority as owner", () => {
		const { lan } = lanOf({ priority: 100 }, { priority: 150 }, { priority: 120 });
		assert.equal(ownerNames(lan), "r1");
	});

	it("have the one with the highest address as owner when priorities are equal and both claim at once", () => {
		const lan = new SimulatedLan({ random: seededRandom(1), minDelayUs: 50, maxDelayUs: 500, loss: 0 });
		for (let index = 0; index < 3; index++) lan.add(instanceForTest({ priority: 100 }));
		lan.advance(2_000 * ms);
		assert.equal(ownerNames(lan), "r2");
	});

	it("replace a crashed owner after three intervals and the skew", () => {
		const { lan, routers } = lanOf({ priority: 100 }, { priority: 150 });
		lan.crash(router(routers, 1));
		lan.advance(1_000 * ms);
		assert.equal(ownerNames(lan), "r0");
		// 100 ms adverts, skew 156/256 of an interval; the last advert is up to one interval old.
		assert.ok(lan.longestGapUs > 260 * ms && lan.longestGapUs < 362 * ms, `${lan.longestGapUs}`);
	});

	it("keep a skew of up to a second in version 2, whatever the interval", () => {
		const { lan, routers } = lanOf(
			{ version: 2, advertIntervalMs: 1000, priority: 100 },
			{ version: 2, advertIntervalMs: 1000, priority: 150 },
		);
		lan.crash(router(routers, 1));
		lan.advance(5_000 * ms);
		assert.ok(lan.longestGapUs > 2_600 * ms && lan.longestGapUs < 3_610 * ms, `${lan.longestGapUs}`);
	});

	it("learn the interval of a version 3 master that advertises more slowly", () => {
		const { lan } = lanOf({ priority: 150, advertIntervalMs: 500 });
		const backup = lan.add(instanceForTest({ priority: 100, advertIntervalMs: 200 }));
		lan.advance(20_000 * ms);
		assert.equal(ownerNames(lan), "r0");
		assert.equal(lan.longestOverlapUs, 0);
		assert.equal(backup.state.masterIntervalUs, 500 * ms);
	});

	it("pass over priority 0 of one who has been replaced already", () => {
		const { lan, routers } = lanOf({ priority: 100 }, { priority: 150 });
		const backup = router(routers, 0);
		const before = backup.state.down?.dueUs;
		const advert = { priority: 0, intervalMs: 100, sourceIsHigher: true, notes: [] };
		lan.tell(backup, { type: "advertReceived", nowUs: lan.nowUs, source: "r7", advert });
		assert.equal(backup.state.down?.dueUs, before);
		lan.tell(backup, { type: "advertReceived", nowUs: lan.nowUs, source: "r1", advert });
		assert.notEqual(backup.state.down?.dueUs, before);
	});

	it("hand over at a polite stop with no time without an owner beyond the way of a packet, and never two", () => {
		for (const priorities of [
			[100, 150],
			[253, 254],
			[1, 254],
		] as const) {
			const { lan, routers } = lanOf({ priority: priorities[0] }, { priority: priorities[1] });
			lan.tell(router(routers, 1), { type: "stopRequested", nowUs: lan.nowUs, handOver: true });
			lan.advance(1_000 * ms);
			assert.equal(ownerNames(lan), "r0");
			assert.equal(router(routers, 1).state.role, "STOP");
			assert.equal(lan.longestGapUs, 0);
			// The successor speaks before it adds addresses: both hold them only while that advert is under way.
			assert.ok(lan.longestOverlapUs <= 500, `${lan.longestOverlapUs}`);
		}
	});

	it("let a stopping owner go after a limit when nobody takes over", () => {
		const { lan, routers } = lanOf({ priority: 150 });
		lan.tell(router(routers, 0), { type: "stopRequested", nowUs: lan.nowUs, handOver: true });
		lan.advance(124 * ms);
		assert.equal(ownerNames(lan), "r0");
		lan.advance(2 * ms);
		assert.equal(router(routers, 0).state.role, "STOP");
		assert.equal(ownerNames(lan), "");
	});

	it("move by order to a lower priority, which keeps the addresses", () => {
		const { lan, routers } = lanOf({ priority: 100 }, { priority: 150 });
		lan.tell(router(routers, 1), { type: "moveRequested", nowUs: lan.nowUs });
		lan.advance(10_000 * ms);
		assert.equal(ownerNames(lan), "r0");
		assert.equal(lan.longestGapUs, 0);
		lan.crash(router(routers, 0));
		lan.advance(1_000 * ms);
		assert.equal(ownerNames(lan), "r1");
	});

	it("stay with the owner when a move finds nobody", () => {
		const { lan, routers } = lanOf({ priority: 150 });
		lan.tell(router(routers, 0), { type: "moveRequested", nowUs: lan.nowUs });
		lan.advance(1_000 * ms);
		assert.equal(ownerNames(lan), "r0");
		assert.equal(lan.longestGapUs, 0);
	});

	it("release at once at a fault, and come back when it is over", () => {
		const { lan, routers } = lanOf({ priority: 100 }, { priority: 150 });
		lan.tell(router(routers, 1), { type: "faultChanged", nowUs: lan.nowUs, reasons: ["eth0 is down"] });
		assert.equal(ownerNames(lan), "");
		lan.advance(200 * ms);
		assert.equal(ownerNames(lan), "r0");
		assert.ok(lan.longestGapUs < 62 * ms, `${lan.longestGapUs}`);
		lan.tell(router(routers, 1), { type: "faultChanged", nowUs: lan.nowUs, reasons: [] });
		lan.advance(1_000 * ms);
		assert.equal(ownerNames(lan), "r1");
		assert.equal(lan.longestOverlapUs <= 500, true);
	});

	it("never move a nopreempt owner by priority", () => {
		const { lan, routers } = lanOf({ priority: 100, preempt: false });
		const higher = lan.add(instanceForTest({ priority: 150, preempt: false }));
		lan.advance(5_000 * ms);
		assert.equal(ownerNames(lan), "r0");
		lan.tell(router(routers, 0), { type: "priorityChanged", nowUs: lan.nowUs, priority: 1 });
		lan.advance(5_000 * ms);
		assert.equal(ownerNames(lan), "r0");
		lan.crash(router(routers, 0));
		lan.advance(1_000 * ms);
		assert.equal(ownerNames(lan), higher.name);
	});

	it("wait for preempt_delay and then for a full down interval", () => {
		const { lan } = lanOf({ version: 2, advertIntervalMs: 1000, priority: 100 });
		const startUs = lan.nowUs;
		const higher = lan.add(
			instanceForTest({ version: 2, advertIntervalMs: 1000, priority: 150, preemptDelayMs: 2000 }),
		);
		lan.advance(20_000 * ms);
		const claimed = higher.transitions.find((transition) => transition.to === "MASTER");
		assert.ok(claimed);
		const seconds = (claimed.atUs - startUs) / 1_000_000;
		assert.ok(seconds > 5 && seconds < 6.5, `${seconds}`);
	});

	it("claim at once as an owner with 255, and wait as all others with state MASTER alone", () => {
		const lan = new SimulatedLan({ random: seededRandom(1), minDelayUs: 50, maxDelayUs: 500, loss: 0 });
		lan.add(instanceForTest({ priority: 255, initialState: "MASTER" }));
		assert.equal(ownerNames(lan), "r0");
		const other = new SimulatedLan({ random: seededRandom(1), minDelayUs: 50, maxDelayUs: 500, loss: 0 });
		other.add(instanceForTest({ priority: 200, initialState: "MASTER" }));
		other.advance(300 * ms);
		assert.equal(ownerNames(other), "");
	});

	it("claim nothing before the startup delay is over", () => {
		const lan = new SimulatedLan({ random: seededRandom(1), minDelayUs: 50, maxDelayUs: 500, loss: 0 });
		lan.add(instanceForTest({ priority: 255, initialState: "MASTER" }), 3_000 * ms);
		lan.advance(2_999 * ms);
		assert.equal(ownerNames(lan), "");
		lan.advance(400 * ms);
		assert.equal(ownerNames(lan), "r0");
	});

	it("have one owner within an interval after a split brain heals", () => {
		const { lan, routers } = lanOf({ priority: 100 }, { priority: 150 });
		lan.cut(router(routers, 0), router(routers, 1));
		lan.cut(router(routers, 1), router(routers, 0));
		lan.advance(1_000 * ms);
		assert.equal(lan.owners().length, 2);
		lan.heal();
		lan.advance(101 * ms);
		assert.equal(ownerNames(lan), "r1");
		const announced = router(routers, 1).actions.filter((action) => action.type === "announce");
		assert.ok(announced.length > 0);
	});

	it("do not let a backup claim that stood still while the owner was well", () => {
		const { lan, routers } = lanOf({ priority: 150 }, { priority: 100 }, { priority: 90 });
		for (const stallMs of [50, 300, 370, 1_000, 10_000]) {
			lan.stall(router(routers, 1), stallMs * ms);
			lan.advance(stallMs * ms + 1_000 * ms);
			assert.equal(lan.longestOverlapUs, 0, `${stallMs} ms`);
		}
		assert.equal(ownerNames(lan), "r0");
	});

	it("wait for one interval more when the own timer is late and nothing was queued", () => {
		const { lan, routers } = lanOf({ priority: 100 }, { priority: 150 });
		const backup = router(routers, 0);
		lan.crash(router(routers, 1));
		lan.stall(backup, 700 * ms);
		lan.advance(750 * ms);
		assert.equal(ownerNames(lan), "");
		assert.equal(backup.counts.get("late_timer"), 1);
		lan.advance(100 * ms);
		assert.equal(ownerNames(lan), "r0");
	});

	it("shift a running down timer by the change of skew", () => {
		const { lan, routers } = lanOf({ priority: 100 }, { priority: 150 });
		const backup = router(routers, 0);
		const before = backup.state.down?.dueUs ?? 0;
		lan.tell(backup, { type: "priorityChanged", nowUs: lan.nowUs, priority: 228 });
		assert.equal(before - (backup.state.down?.dueUs ?? 0), 50 * ms);
	});

	it("do not preempt any more once their own priority fell below the owner's", () => {
		const { lan, routers } = lanOf({ priority: 100 }, { priority: 90 });
		const backup = router(routers, 1);
		lan.tell(backup, { type: "priorityChanged", nowUs: lan.nowUs, priority: 120 });
		lan.advance(240 * ms);
		assert.ok((backup.state.down?.dueUs ?? 0) - lan.nowUs < 100 * ms);
		lan.tell(backup, { type: "priorityChanged", nowUs: lan.nowUs, priority: 80 });
		assert.ok((backup.state.down?.dueUs ?? 0) - lan.nowUs > 200 * ms);
		lan.advance(2_000 * ms);
		assert.equal(backup.counts.get("become_master"), undefined);
	});

	it("put an owner whose addresses the kernel refuses into FAULT, and the next one in its place", () => {
		const { lan, routers } = lanOf({ priority: 100 }, { priority: 150 });
		const failing = router(routers, 1);
		failing.kernelFails = true;
		lan.tell(failing, { type: "faultChanged", nowUs: lan.nowUs, reasons: ["x"] });
		lan.tell(failing, { type: "faultChanged", nowUs: lan.nowUs, reasons: [] });
		lan.advance(1_000 * ms);
		assert.equal(ownerNames(lan), "r0");
		assert.equal(failing.state.role, "FAULT");
		lan.advance(120_000 * ms);
		// Each attempt takes the address from the other one for a moment: they become rare.
		assert.ok((failing.counts.get("action_failed") ?? 0) < 9);
		failing.kernelFails = false;
		lan.advance(61_000 * ms);
		assert.equal(ownerNames(lan), "r1");
	});
});
