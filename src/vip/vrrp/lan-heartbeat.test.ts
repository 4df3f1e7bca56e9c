// Routers with the fast heartbeat on one LAN, beside adverts of a second and beside foreign routers.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import type { InstanceConfig } from "../vip-config.ts";
import { lanOf, ownerNames, router } from "./lan-routers.testing.ts";

const ms = 1000;

const fast: Partial<InstanceConfig> = { fastHeartbeat: { intervalMs: 25, missed: 3, port: 15112 } };

describe("Keepmesh routers with the fast heartbeat", () => {
	it("replace a crashed owner within 120 ms beside adverts of one second", () => {
		const gaps: number[] = [];
		for (let run = 0; run < 20; run++) {
			const { lan, routers } = lanOf(
				{ ...fast, advertIntervalMs: 1000, priority: 100 },
				{ ...fast, advertIntervalMs: 1000, priority: 150 },
				{ ...fast, advertIntervalMs: 1000, priority: 120 },
			);
			lan.advance(run * 1_370);
			lan.crash(router(routers, 1));
			lan.advance(1_000 * ms);
			assert.equal(ownerNames(lan), "r2");
			assert.equal(lan.longestOverlapUs, 0);
			gaps.push(lan.longestGapUs);
		}
		assert.ok(Math.max(...gaps) <= 104 * ms, `${Math.max(...gaps)}`);
	});

	it("replace a crashed owner within 70 ms with the profile `fast`", () => {
		const config = { fastHeartbeat: { intervalMs: 10, missed: 3, port: 15112 }, advertIntervalMs: 1000 };
		const { lan, routers } = lanOf({ ...config, priority: 100 }, { ...config, priority: 150 });
		lan.crash(router(routers, 1));
		lan.advance(1_000 * ms);
		assert.equal(ownerNames(lan), "r0");
		assert.ok(lan.longestGapUs <= 45 * ms, `${lan.longestGapUs}`);
	});

	it("hand over to the one that was named, though another is better", () => {
		const config = { ...fast, advertIntervalMs: 1000, preempt: false };
		const { lan, routers } = lanOf(
			{ ...config, priority: 100 },
			{ ...config, priority: 150 },
			{ ...config, priority: 120 },
		);
		lan.successors.set(lan.owners()[0]?.index ?? -1, router(routers, 0).node);
		const owner = lan.owners()[0];
		assert.ok(owner && owner.index !== 0);
		lan.tell(owner, { type: "moveRequested", nowUs: lan.nowUs, named: true });
		lan.advance(5_000 * ms);
		assert.equal(ownerNames(lan), "r0");
		assert.equal(lan.longestGapUs, 0);
	});

	it("take over at once when the owner lets go", () => {
		const { lan, routers } = lanOf(
			{ ...fast, advertIntervalMs: 1000, priority: 100 },
			{ ...fast, advertIntervalMs: 1000, priority: 150 },
		);
		lan.tell(router(routers, 1), { type: "faultChanged", nowUs: lan.nowUs, reasons: ["envoy is gone"] });
		lan.advance(100 * ms);
		assert.equal(ownerNames(lan), "r0");
		assert.ok(lan.longestGapUs <= 2 * ms, `${lan.longestGapUs}`);
	});

	it("follow a lowered priority at once, without a gap", () => {
		const { lan, routers } = lanOf(
			{ ...fast, advertIntervalMs: 1000, priority: 100 },
			{ ...fast, advertIntervalMs: 1000, priority: 150 },
		);
		lan.tell(router(routers, 1), { type: "priorityChanged", nowUs: lan.nowUs, priority: 50 });
		lan.advance(10 * ms);
		assert.equal(ownerNames(lan), "r0");
		assert.equal(lan.longestGapUs, 0);
	});

	it("take over soon when the owner gave way to one that does not claim any more", () => {
		const { lan, routers } = lanOf(
			{ ...fast, advertIntervalMs: 1000, priority: 90 },
			{ ...fast, advertIntervalMs: 1000, priority: 100 },
			{ ...fast, advertIntervalMs: 1000, priority: 99 },
		);
		const advert = { priority: 199, intervalMs: 1000, sourceIsHigher: true, notes: [] };
		lan.tell(router(routers, 1), { type: "advertReceived", nowUs: lan.nowUs, source: "r2", advert });
		assert.equal(ownerNames(lan), "");
		lan.advance(200 * ms);
		assert.equal(lan.owners().length, 1);
		assert.ok(lan.longestGapUs <= 150 * ms, `${lan.longestGapUs}`);
	});

	it("do not believe in a crash while the heartbeats of a busy owner come unevenly", () => {
		const { lan, routers } = lanOf(
			{ ...fast, advertIntervalMs: 1000, priority: 100 },
			{ ...fast, advertIntervalMs: 1000, priority: 150 },
		);
		const random = seededRandom(7);
		for (let round = 0; round < 400; round++) {
			lan.stall(router(routers, 1), Math.min(20 + round, 110) * random() * ms);
			lan.advance(250 * ms);
		}
		assert.equal(lan.longestOverlapUs, 0);
		assert.equal(ownerNames(lan), "r1");
	});

	it("do not claim when a backup stood still itself", () => {
		const { lan, routers } = lanOf(
			{ ...fast, advertIntervalMs: 1000, priority: 100 },
			{ ...fast, advertIntervalMs: 1000, priority: 150 },
		);
		for (const stallMs of [30, 60, 80, 100, 500, 5_000]) {
			lan.stall(router(routers, 0), stallMs * ms);
			lan.advance(stallMs * ms + 500 * ms);
		}
		assert.equal(lan.longestOverlapUs, 0);
	});

	it("ask before they claim: an owner whose heartbeats alone are filtered keeps its addresses", () => {
		const { lan, routers } = lanOf(
			{ ...fast, advertIntervalMs: 1000, priority: 100 },
			{ ...fast, advertIntervalMs: 1000, priority: 150 },
		);
		lan.noHeartbeats = true;
		lan.advance(5_000 * ms);
		assert.equal(router(routers, 0).counts.get("heartbeat_lost"), 1);
		assert.equal(ownerNames(lan), "r1");
		assert.equal(lan.longestOverlapUs, 0);
		lan.crash(router(routers, 1));
		lan.advance(3_610 * ms);
		assert.equal(ownerNames(lan), "r0");
	});

	it("leave a foreign owner to its adverts", () => {
		const { lan, routers } = lanOf({ ...fast, priority: 100 }, { priority: 150 }, { ...fast, priority: 90 });
		lan.crash(router(routers, 1));
		lan.advance(250 * ms);
		assert.equal(ownerNames(lan), "");
		lan.advance(150 * ms);
		assert.equal(ownerNames(lan), "r0");
	});
});
