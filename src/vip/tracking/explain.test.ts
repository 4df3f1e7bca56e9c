// The text an operator reads, in whole, for the states that matter.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { explain } from "./explain.ts";
import { file, TrackingRig, tracker, trackingConfig } from "./tracking.testing.ts";

const n2 = "10.77.0.2";
const trackers = [
	tracker("proxy", { failureClass: "dead" }),
	tracker("http-envoy", { failureClass: "degraded", weight: -60 }),
	tracker("backends", { failureClass: "degraded", weight: -20 }),
];
const health = { whenAllFail: "hold", holdDownMs: 10_000, maxHoldDownMs: 60_000 } as const;

function rigOf(changed: Parameters<typeof trackingConfig>[1] = {}) {
	const config = trackingConfig(trackers, { priority: 150, health, ...changed });
	const rig = new TrackingRig(config);
	for (const one of trackers) rig.result(one.name, true);
	rig.send({ type: "roleChanged", instance: "web", role: "BACKUP" });
	rig.advance(20_000);
	const lines = (): readonly string[] =>
		explain(config, rig.state, { nowUs: rig.nowUs, names: new Map([[n2, "n2"]]), self: "n1" })[0]?.lines ?? [];
	return { rig, lines };
}

const becomeMaster = (rig: TrackingRig): void => {
	rig.send({ type: "roleChanged", instance: "web", role: "MASTER" });
};

describe("vip explain", () => {
	it("says on the owner what each failure would do", () => {
		const { rig, lines } = rigOf();
		becomeMaster(rig);
		rig.send({ type: "heartbeatHeard", instance: "web", peer: n2, role: "BACKUP", priority: 100 });
		assert.deepEqual(lines(), [
			"web: owned by n1 (MASTER, priority 150)",
			"  priority 150: base priority 150",
			"  other nodes: n2 BACKUP 100",
			"  if proxy fails: FAULT: released at once, moves to n2",
			"  if http-envoy fails: priority 150 -> 90, below 100 of n2: moves, if it preempts",
			"  if backends fails: priority 150 -> 130, would not move: n2 has only 100",
		]);
	});

	it("says on the owner that nobody else could own it", () => {
		const { rig, lines } = rigOf();
		becomeMaster(rig);
		rig.send({ type: "heartbeatHeard", instance: "web", peer: n2, role: "FAULT", priority: 100 });
		assert.deepEqual(lines().slice(3), [
			"  if proxy fails: FAULT, but held: no other node that is alive could own it (whenAllFail: hold)",
			"  if http-envoy fails: priority 150 -> 90, would not move: no other node could own it",
			"  if backends fails: priority 150 -> 130, would not move: no other node could own it",
		]);
		rig.result("proxy", false);
		assert.deepEqual(lines().slice(0, 2), [
			"web: owned by n1 (MASTER, priority 1)",
			"  priority 1: dead (proxy: bad) and held: no other node that is alive can own it",
		]);
	});

	it("says what it cannot know where backups are plain VRRP routers", () => {
		const { rig, lines } = rigOf();
		becomeMaster(rig);
		assert.deepEqual(lines().slice(2), [
			"  if proxy fails: FAULT: released at once; taken back when nobody takes over (whenAllFail: hold)",
			"  if http-envoy fails: priority 150 -> 90; moves if a backup has more: plain VRRP backups do not say",
			"  if backends fails: priority 150 -> 130; moves if a backup has more: plain VRRP backups do not say",
		]);
	});

	it("says on a backup what would bring the address to it, and what does not let it", () => {
		const { rig, lines } = rigOf();
		rig.result("http-envoy", false);
		rig.send({ type: "advertHeard", instance: "web", peer: n2, priority: 120 });
		assert.deepEqual(lines(), [
			"web: owned by n2 (priority 120); this node is BACKUP",
			"  priority 90: base priority 150, http-envoy -60",
			"  if proxy fails: FAULT, could not take over; the owner stays",
			"  if http-envoy is good again: priority 90 -> 150, above 120 of n2: takes over",
			"  if backends fails: priority 90 -> 70, would not move: n2 owns it with 120",
		]);
		const stubborn = rigOf({ preempt: false });
		stubborn.rig.result("http-envoy", false);
		stubborn.rig.send({ type: "advertHeard", instance: "web", peer: n2, priority: 120 });
		assert.equal(
			stubborn.lines()[3],
			"  if http-envoy is good again: priority 90 -> 150, above 120 of n2, but would not move: nopreempt",
		);
	});

	it("says how long no move of free will may happen", () => {
		const { rig, lines } = rigOf();
		becomeMaster(rig);
		rig.send({ type: "heartbeatHeard", instance: "web", peer: n2, role: "BACKUP", priority: 100 });
		rig.send({ type: "advertHeard", instance: "web", peer: n2, priority: 200 });
		rig.send({ type: "roleChanged", instance: "web", role: "BACKUP" });
		rig.send({ type: "roleChanged", instance: "web", role: "MASTER", forced: true });
		rig.result("http-envoy", false);
		assert.deepEqual(lines().slice(1, 4), [
			"  priority 150: health says 90; stays 150 for 10.0 s, as the address moved lately",
			"  other nodes: n2 BACKUP 100",
			"  no move of free will for another 10.0 s",
		]);
	});

	it("knows files by their number, groups, and trackers that never run", () => {
		const config = trackingConfig([tracker("level", { check: file, weight: -5 }), tracker("unsafe", { weight: 0 })], {
			health: { whenAllFail: "release", holdDownMs: 0, maxHoldDownMs: 0 },
		});
		const rig = new TrackingRig({
			...config,
			groups: [{ name: "G", members: ["web", "mail"], tracked: [], usesWeights: true, notify: {} }],
		});
		rig.result("level", true, 0);
		assert.deepEqual(rig.instance().faults, ["unsafe has no result yet"]);
		rig.send({ type: "trackerRefused", tracker: "unsafe", because: "everybody may change /x" });
		assert.deepEqual(rig.instance().faults, []);
		assert.deepEqual(explain(config, rig.state, { nowUs: 0 })[0]?.lines, [
			"web: no owner is heard; this node is INIT",
			"  priority 100: base priority 100",
			"  if level becomes 1: priority 100 -> 95; no owner is heard",
			"  unsafe counts for nothing: everybody may change /x",
		]);
	});
});
