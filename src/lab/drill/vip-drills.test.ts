import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProbeRecord } from "../vip-watch/probe-record.ts";
import type { Drill } from "./drill.ts";
import { fakeDrillMesh } from "./drill-mesh.testing.ts";
import type { DrillMesh } from "./drill-mesh.ts";
import type { DrillVirtualIp } from "./drill-virtual-ip.ts";
import { vipCrashDrill } from "./drills/vip-crash.ts";
import { vipForgedDrill } from "./drills/vip-forged.ts";
import { vipHealthDrill } from "./drills/vip-health.ts";
import { vipSplitDrill } from "./drills/vip-split.ts";
import { vipStopDrill } from "./drills/vip-stop.ts";
import { twoOwnersSeen } from "./owners-seen.ts";

/** Two nodes that do all as they should, but for what a test changes. */
function fakeMesh(changes: Partial<DrillVirtualIp> = {}, ownerUntilMs = 0): DrillMesh {
	let nowMs = 0;
	const spend = async (ms: number) => {
		nowMs += ms;
	};
	const good: DrillVirtualIp = {
		nodes: ["one", "two"],
		owner: async () => "one",
		untilOwner: () => spend(ownerUntilMs),
		crash: async () => {},
		repair: () => spend(700),
		stop: async () => {},
		untilRuns: async () => {},
		killService: async () => {},
		reviveService: async () => {},
		part: async () => {},
		heal: async () => 20,
		forge: async () => ({ sent: 100, dropped: 100 }),
	};
	return fakeDrillMesh({
		nowMs: () => nowMs,
		sleep: spend,
		virtualIp: async () => ({ ...good, ...changes }),
	});
}

describe("drills of a virtual IP", () => {
	for (const drill of [vipCrashDrill, vipStopDrill, vipHealthDrill])
		it(`${drill.name} measures from the fault until the other node owns`, async () => {
			assert.equal((await drill.inject(fakeMesh({}, 80))).convergeMs, 80);
		});

	const cannot: readonly (readonly [Drill, Partial<DrillVirtualIp>, RegExp])[] = [
		[vipCrashDrill, { owner: async () => undefined }, /nobody owns the address, or two do/],
		[vipSplitDrill, {}, /did not both own, so nothing was shown/],
		[vipForgedDrill, { forge: async () => ({ sent: 0, dropped: 0 }) }, /nothing was forged/],
		[vipForgedDrill, { forge: async () => ({ sent: 100, dropped: 99 }) }, /99 of 100 forged adverts/],
	];
	for (const [drill, changes, said] of cannot)
		it(`${drill.name} does not pass: ${said.source}`, async () => {
			await assert.rejects(drill.inject(fakeMesh(changes)), said);
		});

	it("vip-forged does not pass when the address moved", async () => {
		const owners = ["one", "two"];
		await assert.rejects(
			vipForgedDrill.inject(fakeMesh({ owner: async () => owners.shift() })),
			/the owner was one and is two/,
		);
	});

	it("vip-split shows how long two owners stayed after the repair", async () => {
		const owners = ["one", undefined];
		const mesh = fakeMesh({ owner: async () => owners.shift() });
		assert.equal((await vipSplitDrill.inject(mesh)).restoreMs, 20);
	});
});

describe("two owners of an address", () => {
	const ms = 1000;
	const probes = (...answers: readonly (readonly [number, string])[]): ProbeRecord => ({
		sentUs: answers.map(([atMs]) => atMs * ms),
		answers: answers.map(([atMs, node], probe) => ({ probe, atUs: atMs * ms, node })),
		mostLateUs: 0,
	});
	const moved = (letsGoMs: number) => [
		{ node: "a", fromUs: 0, toUs: letsGoMs * ms },
		{ node: "b", fromUs: 500 * ms },
	];
	const seen = (letsGoMs: number, answers: ProbeRecord = probes([499, "a"], [501, "b"])): number =>
		twoOwnersSeen(answers, moved(letsGoMs), 1000 * ms, []);

	it("are not seen when one lets go before, or a round trip after, the other has it", () => {
		assert.equal(seen(490), 0);
		assert.equal(seen(503), 0);
	});

	it("are seen in the kernels when the old one keeps it", () => {
		assert.equal(seen(530), 1);
	});

	it("are seen by a client that gets answers of a node which had let go", () => {
		assert.equal(seen(503, probes([499, "a"], [501, "b"], [600, "a"], [601, "b"])), 1);
	});

	it("are what must be while the nodes are apart, and no longer", () => {
		const both = [
			{ node: "a", fromUs: 0 },
			{ node: "b", fromUs: 500 * ms, toUs: 900 * ms },
		];
		const flapping = probes([499, "a"], [501, "b"], [600, "a"]);
		assert.equal(twoOwnersSeen(flapping, both, 1000 * ms, [{ fromUs: 400 * ms, toUs: 905 * ms }]), 0);
		assert.equal(twoOwnersSeen(flapping, both, 1000 * ms, [{ fromUs: 600 * ms, toUs: 905 * ms }]), 1);
	});
});
