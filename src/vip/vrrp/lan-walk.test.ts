// Random LANs: two to four routers of random configurations, and a million events of random trouble. With a seed that is printed
// when something fails. What must hold: addresses exactly while MASTER; never an owner in FAULT; while adverts arrive, two
// owners for no longer than a packet is under way; some time after the last trouble exactly one, the best one if it may preempt.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import type { InstanceConfig } from "../vip-config.ts";
import { instanceForTest } from "./instance-config.testing.ts";
import { successionLimitUs } from "./instance-timers.ts";
import { SimulatedLan, type SimulatedRouter } from "./lan-simulator.testing.ts";

const wantedSteps = Number(process.env.KEEPMESH_WALK_STEPS ?? 1_000_000);
const ms = 1000;

type Random = () => number;

const oneOf = <Value>(random: Random, values: readonly [Value, ...Value[]]): Value =>
	values[Math.floor(random() * values.length)] ?? values[0];

describe("random LANs", () => {
	it(`keep their promises for ${wantedSteps} steps`, () => {
		let steps = 0;
		let seed = Number(process.env.KEEPMESH_WALK_SEED ?? 1);
		for (; steps < wantedSteps; seed++) {
			try {
				steps += walk(seededRandom(seed));
			} catch (error) {
				throw new Error(`KEEPMESH_WALK_SEED=${seed}`, { cause: error });
			}
		}
	});
});

function walk(random: Random): number {
	const version = oneOf<2 | 3>(random, [2, 3, 3]);
	const advertIntervalMs = version === 2 ? 1000 : oneOf(random, [10, 50, 100, 1000]);
	const preempt = random() < 0.7;
	const preemptDelayMs = random() < 0.2 ? 2_000 : 0;
	// Beats each 25 ms beside adverts of a second are most of the work: fewer of those.
	const beats = random() < (advertIntervalMs > 100 ? 0.1 : 0.5);
	const maxDelayUs = Math.min(advertIntervalMs * 50, 1 + Math.floor(random() * 5 * ms));
	const lan = new SimulatedLan({ random, minDelayUs: 0, maxDelayUs, loss: 0 });
	lan.onStep = holdsTogether;
	const count = 2 + Math.floor(random() * 3);
	for (let index = 0; index < count; index++) {
		const config = instanceForTest({
			version,
			advertIntervalMs,
			preempt,
			preemptDelayMs,
			priority: random() < 0.1 ? 100 : 1 + Math.floor(random() * 254),
			advertOnLowerPriority: random() < 0.9,
			advertOnHigherPriority: random() < 0.2,
			...(beats && random() < 0.8 ? { fastHeartbeat: { intervalMs: 25, missed: 3, port: 15112 } } : {}),
		});
		lan.add(config);
	}
	const longestUs = longestTakeoverUs(lan.routers.map((router) => router.config));
	for (let round = 0; round < 4; round++) {
		const rough = random() < 0.5;
		lan.forget();
		for (let trouble = 0; trouble < 8; trouble++) {
			if (rough) beRough(lan, random, advertIntervalMs);
			else beGentle(lan, random, advertIntervalMs);
			lan.advance(Math.floor(random() * random() * longestUs));
		}
		// One who leaves and two who claim at once: the first hears the second, and that one the third.
		// Where lower priorities are not answered, the next advert of the schedule tells them.
		const answers = lan.routers.every((router) => router.config.advertOnLowerPriority);
		const boundUs = 2 * maxDelayUs + (answers ? 0 : advertIntervalMs * ms);
		if (!rough) assert.ok(lan.longestOverlapUs <= boundUs, `two owners for ${lan.longestOverlapUs} > ${boundUs} us`);
		restoreAll(lan, random);
		lan.advance(2 * longestUs);
		convergesToOne(lan, preempt);
		lan.forget();
		lan.advance(longestUs);
		assert.equal(lan.longestOverlapUs, 0, "two owners in peace");
		assert.equal(lan.longestGapUs, 0, "no owner in peace");
	}
	return lan.steps;
}

/** Adverts arrive: crashes, faults, priorities, stops, moves, and backups that stand still. */
function beGentle(lan: SimulatedLan, random: Random, advertIntervalMs: number): void {
	const router = someRouter(lan, random);
	const { nowUs } = lan;
	const what = random();
	if (what < 0.15) lan.crash(router);
	else if (what < 0.3) lan.start(router);
	else if (what < 0.45) lan.tell(router, { type: "faultChanged", nowUs, reasons: random() < 0.5 ? ["x"] : [] });
	else if (what < 0.6) lan.tell(router, { type: "priorityChanged", nowUs, priority: 1 + Math.floor(random() * 254) });
	else if (what < 0.7) lan.tell(router, { type: "stopRequested", nowUs, handOver: random() < 0.7 });
	else if (what < 0.8) lan.tell(router, { type: "moveRequested", nowUs });
	else if (what < 0.85) lan.tell(router, { type: "configChanged", nowUs });
	else if (!router.owns && router.state.role === "BACKUP" && !isAboutToClaim(router))
		lan.stall(router, Math.floor(random() * advertIntervalMs * 6 * ms));
}

/** A stall that begins between deciding to claim and doing so is not the trouble meant here: then the claim is late news. */
function isAboutToClaim(router: SimulatedRouter): boolean {
	return router.state.down?.fast === true;
}

/** All of that, and lost packets, cuts in one or both directions, owners that stand still. */
function beRough(lan: SimulatedLan, random: Random, advertIntervalMs: number): void {
	const what = random();
	const router = someRouter(lan, random);
	const other = someRouter(lan, random);
	if (what < 0.2) lan.options.loss = random() * 0.6;
	else if (what < 0.35) lan.cut(router, other);
	else if (what < 0.5) {
		lan.cut(router, other);
		lan.cut(other, router);
	} else if (what < 0.7) lan.stall(router, Math.floor(random() * advertIntervalMs * 10 * ms));
	else beGentle(lan, random, advertIntervalMs);
}

function restoreAll(lan: SimulatedLan, random: Random): void {
	lan.heal();
	lan.options.loss = 0;
	const faulty = random() < 0.3 ? Math.floor(random() * lan.routers.length) : -1;
	for (const router of lan.routers) lan.advance(Math.max(0, router.stalledUntilUs - lan.nowUs));
	// Whoever was told to stop is not started again before that is done.
	for (const router of lan.routers) if (router.state.handOver) lan.advance(successionLimitUs(router.config) + 1);
	for (const router of lan.routers) {
		lan.start(router);
		const reasons = router.index === faulty ? ["x"] : [];
		lan.tell(router, { type: "faultChanged", nowUs: lan.nowUs, reasons });
	}
}

function convergesToOne(lan: SimulatedLan, preempt: boolean): void {
	const owners = lan.owners();
	assert.equal(owners.length, 1, `owners: ${owners.map((owner) => owner.name).join(" ") || "none"}`);
	const owner = owners[0];
	assert.ok(owner);
	assert.notEqual(owner.state.role, "FAULT");
	if (!preempt || lan.routers.some((router) => router.state.yielded)) return;
	for (const router of lan.routers)
		assert.ok(
			router.state.role === "FAULT" || router.state.priority <= owner.state.priority,
			`${router.name} has priority ${router.state.priority}, the owner ${owner.state.priority}`,
		);
}

function holdsTogether(router: SimulatedRouter): void {
	const { role, down, handOver } = router.state;
	assert.equal(router.owns, role === "MASTER", `${router.name} is ${role} and owns: ${router.owns}`);
	assert.equal(router.timers.has("down"), role === "BACKUP", `down timer as ${role}`);
	assert.equal(down !== undefined, role === "BACKUP", `down state as ${role}`);
	assert.equal(router.timers.has("advert"), role === "MASTER" && !handOver, `advert timer as ${role}`);
	assert.equal(router.timers.has("handOver"), handOver !== undefined, "hand-over timer");
	if (role === "BACKUP") assert.equal(router.timers.get("down"), down?.dueUs);
}

/** Of the slowest: its learned interval may be the longest of all, then its skew, a preempt delay and a hand-over. */
function longestTakeoverUs(configs: readonly InstanceConfig[]): number {
	const intervalUs = Math.max(...configs.map((config) => config.advertIntervalMs)) * ms;
	const preemptUs = Math.max(...configs.map((config) => config.preemptDelayMs)) * ms;
	return 4 * intervalUs + 1_000 * ms * (configs[0]?.version === 2 ? 1 : 0) + intervalUs + preemptUs;
}

function someRouter(lan: SimulatedLan, random: Random): SimulatedRouter {
	const router = lan.routers[Math.floor(random() * lan.routers.length)];
	assert.ok(router);
	return router;
}
