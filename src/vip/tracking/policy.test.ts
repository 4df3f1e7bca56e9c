// Keepmesh's own policy by script, with virtual time: dead and degraded, holding, and the hold-down between moves.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { HealthPolicy } from "../vip-config.ts";
import { link, TrackingRig, tracker, trackingConfig } from "./tracking.testing.ts";

const peer = "10.77.0.2";
const trackers = [
	tracker("proxy", { failureClass: "dead" }),
	tracker("backends", { failureClass: "degraded", weight: -60 }),
	tracker("cable", { check: link }),
];
const policy = (changed: Partial<HealthPolicy>): HealthPolicy => ({
	whenAllFail: "hold",
	holdDownMs: 0,
	maxHoldDownMs: 0,
	...changed,
});

/** A node of priority 150, all good, with adverts each 100 ms. */
function node(changed: Partial<HealthPolicy> = {}): TrackingRig {
	const rig = new TrackingRig(trackingConfig(trackers, { priority: 150, health: policy(changed) }));
	for (const one of trackers) rig.result(one.name, true);
	return rig;
}
const owner = (changed: Partial<HealthPolicy> = {}): TrackingRig => {
	const rig = node(changed);
	rig.send({ type: "roleChanged", instance: "web", role: "BACKUP" });
	rig.send({ type: "roleChanged", instance: "web", role: "MASTER" });
	return rig;
};
const heartbeat = (rig: TrackingRig, role: "BACKUP" | "FAULT" | "MASTER", priority: number): readonly string[] =>
	rig.send({ type: "heartbeatHeard", instance: "web", peer, role, priority });
const advert = (rig: TrackingRig, priority: number): readonly string[] =>
	rig.send({ type: "advertHeard", instance: "web", peer, priority });
const becomes = (rig: TrackingRig, role: "BACKUP" | "FAULT" | "MASTER"): readonly string[] =>
	rig.send({ type: "roleChanged", instance: "web", role });

describe("whenAllFail", () => {
	it("lets go at once when a peer that is alive can take over", () => {
		const rig = owner();
		heartbeat(rig, "BACKUP", 100);
		assert.deepEqual(rig.result("proxy", false), ["web FAULT"]);
	});

	it("keeps the address at priority 1 when no other node that is alive can own it", () => {
		const rig = owner();
		heartbeat(rig, "BACKUP", 100);
		heartbeat(rig, "FAULT", 100);
		assert.deepEqual(rig.result("proxy", false), ["web 1"]);
		assert.match(rig.instance().because, /^dead \(proxy: bad\) and held: no other node/);
	});

	it("lets go of a held address as soon as a peer is well again, and takes it back should that one die at once", () => {
		const rig = owner();
		heartbeat(rig, "FAULT", 100);
		rig.result("proxy", false);
		assert.deepEqual(heartbeat(rig, "BACKUP", 100), ["web FAULT", "web 150"]);
		becomes(rig, "FAULT");
		assert.deepEqual(rig.send({ type: "heartbeatLost", instance: "web", peer }), ["web 1", "web able"]);
	});

	it("lets go and takes back when nobody takes over, where peers are silent", () => {
		const rig = owner();
		assert.deepEqual(rig.result("proxy", false), ["web FAULT"]);
		becomes(rig, "FAULT");
		assert.deepEqual(rig.advance(499), []);
		assert.deepEqual(rig.advance(1), ["web 1", "web able"]);
	});

	it("stays away when another node took over", () => {
		const rig = owner();
		rig.result("proxy", false);
		becomes(rig, "FAULT");
		for (let ms = 0; ms < 5000; ms += 100) {
			advert(rig, 100);
			assert.deepEqual(rig.advance(100), []);
		}
	});

	it("takes a dead address in the end when the other one is gone as well, later than a last owner would", () => {
		const rig = owner();
		rig.result("proxy", false);
		becomes(rig, "FAULT");
		advert(rig, 100);
		assert.deepEqual(rig.advance(1499), []);
		assert.deepEqual(rig.advance(1), ["web 1", "web able"]);
	});

	it("makes room when a held address is claimed by another node", () => {
		const rig = owner();
		heartbeat(rig, "FAULT", 100);
		rig.result("proxy", false);
		advert(rig, 100);
		assert.deepEqual(becomes(rig, "BACKUP"), ["web FAULT", "web 150"]);
	});

	it("never holds with a broken link, nor with `release`", () => {
		const broken = owner();
		heartbeat(broken, "FAULT", 100);
		assert.deepEqual(broken.result("cable", false), ["web FAULT"]);
		const releasing = owner({ whenAllFail: "release" });
		heartbeat(releasing, "FAULT", 100);
		assert.deepEqual(releasing.result("proxy", false), ["web FAULT"]);
		assert.deepEqual(releasing.advance(60_000), []);
	});

	it("knows from the addresses of an earlier run that it was the last owner", () => {
		const rig = new TrackingRig(trackingConfig(trackers, { health: policy({}) }), ["web"]);
		heartbeat(rig, "FAULT", 100);
		for (const one of trackers) rig.result(one.name, true);
		assert.deepEqual(rig.result("proxy", false), ["web 1"]);
	});
});

describe("degraded", () => {
	it("lowers the priority and never means nobody", () => {
		const rig = owner();
		assert.deepEqual(rig.result("backends", false), ["web 90"]);
		assert.deepEqual(rig.instance().faults, []);
	});

	it("never has as little as a dead node that holds: two held nodes do not make room for one another", () => {
		const one = new TrackingRig(
			trackingConfig([tracker("bad", { failureClass: "degraded", weight: -250 })], { health: policy({}) }),
		);
		one.result("bad", false);
		assert.equal(one.instance().priority, 2);
		const rig = owner();
		heartbeat(rig, "FAULT", 100);
		rig.result("proxy", false);
		assert.deepEqual(heartbeat(rig, "BACKUP", 1), []);
		assert.deepEqual(heartbeat(rig, "BACKUP", 2), ["web FAULT", "web 150"]);
	});
});

describe("the hold-down between moves of free will", () => {
	const tenSeconds = { holdDownMs: 10_000, maxHoldDownMs: 60_000 };

	it("lets the first degradation move the address at once after a quiet time", () => {
		const rig = owner(tenSeconds);
		rig.advance(10_000);
		heartbeat(rig, "BACKUP", 100);
		assert.deepEqual(rig.result("backends", false), ["web 90"]);
	});

	it("does not keep nodes that were there all the time from moving it soon after the start", () => {
		const rig = owner(tenSeconds);
		heartbeat(rig, "BACKUP", 100);
		assert.deepEqual(rig.result("backends", false), ["web 90"]);
		const backup = node(tenSeconds);
		becomes(backup, "BACKUP");
		heartbeat(backup, "MASTER", 160);
		assert.deepEqual(heartbeat(backup, "MASTER", 90), []);
		assert.equal(backup.instance().priority, 150);
	});

	it("keeps the owner's priority until the window ends, unless nobody is better", () => {
		const rig = node(tenSeconds);
		becomes(rig, "BACKUP");
		advert(rig, 100);
		becomes(rig, "MASTER");
		heartbeat(rig, "BACKUP", 80);
		rig.advance(1000);
		assert.deepEqual(rig.result("backends", false), ["web 90"]);
		assert.deepEqual(rig.result("backends", true), ["web 150"]);
		heartbeat(rig, "BACKUP", 100);
		assert.deepEqual(rig.result("backends", false), []);
		assert.match(rig.instance().because, /health says 90; stays 150 for 9\.0 s/);
		assert.deepEqual(rig.advance(8999), []);
		assert.deepEqual(rig.advance(1), ["web 90"]);
	});

	it("keeps a better node below the owner until the window ends", () => {
		const rig = node(tenSeconds);
		becomes(rig, "BACKUP");
		assert.deepEqual(heartbeat(rig, "MASTER", 100), ["web 100"]);
		for (let ms = 0; ms < 9900; ms += 100) {
			heartbeat(rig, "MASTER", 100);
			assert.deepEqual(rig.advance(100), []);
		}
		heartbeat(rig, "MASTER", 100);
		assert.deepEqual(rig.advance(100), ["web 150"]);
	});

	it("does not hold a node back when the owner is gone", () => {
		const rig = node(tenSeconds);
		becomes(rig, "BACKUP");
		heartbeat(rig, "MASTER", 100);
		assert.deepEqual(rig.send({ type: "heartbeatLost", instance: "web", peer }), ["web 150"]);
		const silent = node(tenSeconds);
		becomes(silent, "BACKUP");
		advert(silent, 100);
		assert.deepEqual(silent.advance(399), []);
		assert.deepEqual(silent.advance(1), ["web 150"]);
	});

	it("lets death release at once within the window", () => {
		const rig = owner(tenSeconds);
		heartbeat(rig, "BACKUP", 100);
		assert.deepEqual(rig.result("proxy", false), ["web FAULT"]);
	});

	it("takes over from a dead node that holds without waiting", () => {
		const rig = node(tenSeconds);
		becomes(rig, "BACKUP");
		assert.deepEqual(heartbeat(rig, "MASTER", 1), []);
		assert.equal(rig.instance().priority, 150);
	});

	it("doubles the window while moves follow one another, up to the longest, and forgets after a quiet time", () => {
		const rig = owner({ holdDownMs: 10_000, maxHoldDownMs: 35_000 });
		const windows: number[] = [];
		for (let round = 0; round < 4; round++) {
			const window = rig.instance().moves.windowUs / 1000;
			rig.advance(window + 1);
			advert(rig, 160);
			becomes(rig, "BACKUP");
			windows.push(rig.instance().moves.windowUs / 1e6);
			rig.send({ type: "roleChanged", instance: "web", role: "MASTER", forced: true });
		}
		assert.deepEqual(windows, [10, 20, 35, 35]);
		rig.advance(71_000);
		advert(rig, 160);
		becomes(rig, "BACKUP");
		assert.equal(rig.instance().moves.windowUs, 10e6);
	});

	it("counts a hand-over of a living owner that let go politely, and not one of a dying owner", () => {
		const living = node(tenSeconds);
		becomes(living, "BACKUP");
		heartbeat(living, "MASTER", 100);
		advert(living, 0);
		becomes(living, "MASTER");
		assert.equal(living.instance().moves.moves, 1);
		const dying = node(tenSeconds);
		becomes(dying, "BACKUP");
		heartbeat(dying, "MASTER", 100);
		advert(dying, 0);
		heartbeat(dying, "FAULT", 100);
		becomes(dying, "MASTER");
		assert.equal(dying.instance().moves.moves, 0);
	});

	it("does not count what follows a crash, seen by the successor or by a third node", () => {
		const successor = node(tenSeconds);
		becomes(successor, "BACKUP");
		advert(successor, 200);
		successor.advance(315);
		becomes(successor, "MASTER");
		assert.equal(successor.instance().moves.moves, 0);
		const third = node(tenSeconds);
		becomes(third, "BACKUP");
		advert(third, 200);
		third.advance(315);
		third.send({ type: "advertHeard", instance: "web", peer: "10.77.0.3", priority: 190 });
		assert.equal(third.instance().moves.moves, 0);
		const preempting = node(tenSeconds);
		becomes(preempting, "BACKUP");
		advert(preempting, 100);
		preempting.advance(95);
		becomes(preempting, "MASTER");
		assert.equal(preempting.instance().moves.moves, 1);
	});

	it("counts a move between two other nodes", () => {
		const rig = node(tenSeconds);
		becomes(rig, "BACKUP");
		advert(rig, 200);
		rig.send({ type: "advertHeard", instance: "web", peer: "10.77.0.3", priority: 210 });
		assert.equal(rig.instance().moves.moves, 1);
	});
});
