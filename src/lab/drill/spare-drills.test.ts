import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fakeDrillMesh } from "./drill-mesh.testing.ts";
import type { DrillReport } from "./drill-mesh.ts";
import type { DrillSpare } from "./drill-spare.ts";
import { spareBypassDrill } from "./drills/spare-bypass.ts";
import { spareTakeoverDrill } from "./drills/spare-takeover.ts";
import { runDrills } from "./run-drills.ts";

const goodReport: DrillReport = {
	sent: 100,
	byOutcome: { "200": 100 },
	byVersion: {},
	latencyMs: { min: 1, p50: 1, p99: 1, max: 1 },
	longestGapMs: 40,
	durationMs: 200,
	plaintext: 0,
	sides: { inbound: { sent: 100, lost: 0, failingMs: 30, gapMs: 40, byOutcome: { "200": 100 } } },
};

function rig(report: Partial<DrillReport> = {}, changes: Partial<DrillSpare> = {}) {
	const done: string[] = [];
	let nowMs = 0;
	const spend = async (what: string, ms: number) => {
		done.push(what);
		nowMs += ms;
	};
	const spare: DrillSpare = {
		killSidecar: async () => {
			done.push("kill");
			return nowMs;
		},
		untilOnSpare: () => spend("spare", 12),
		untilOnSidecar: () => spend("sidecar", 1_600),
		bypassByHand: () => spend("bypass", 1),
		restoreByHand: () => spend("restore", 2),
		...changes,
	};
	const mesh = fakeDrillMesh({
		startLoad: async () => ({ stop: async () => ({ ...goodReport, ...report }) }),
		nowMs: () => nowMs,
		sleep: async (ms) => {
			nowMs += ms;
		},
		spare: async () => spare,
	});
	return { mesh, done };
}

describe("drills of the spare", () => {
	it("kill the sidecar and wait for the spare, then for the sidecar", async () => {
		const { mesh, done } = rig();
		assert.deepEqual(await spareTakeoverDrill.inject(mesh), { detectMs: 12, restoreMs: 1_612 });
		assert.deepEqual(done, ["kill", "spare", "sidecar"]);
	});

	it("take connections off by hand and give them back", async () => {
		const { mesh, done } = rig();
		assert.deepEqual(await spareBypassDrill.inject(mesh), { restoreMs: 1_602 });
		assert.deepEqual(done, ["bypass", "spare", "restore", "sidecar"]);
	});

	for (const [drill, report, said] of [
		[spareTakeoverDrill, { longestGapMs: 151 }, /gapMaxMs is 151, and may be at most 150/],
		[spareTakeoverDrill, { plaintext: 1 }, /wrong is 1, and may be at most 0/],
		[spareBypassDrill, { byOutcome: { "200": 99, ECONNRESET: 1 } }, /1 requests ended in ECONNRESET/],
	] as const)
		it(`${drill.name} misses its bar: ${said.source}`, async () => {
			const [, line] = await runDrills([drill], { runs: 1 }, rig(report).mesh, { ends: () => {} });
			assert.match(line?.missed.join("\n") ?? "", said);
		});

	it("fail where there is no spare, and where it does not take over", async () => {
		const { spare: _, ...mesh } = rig().mesh;
		await assert.rejects(spareTakeoverDrill.inject(mesh), /there is no spare/);
		const never = rig({}, { untilOnSpare: () => Promise.reject(new Error("now closed")) });
		const [, line] = await runDrills([spareTakeoverDrill], { runs: 1 }, never.mesh, { ends: () => {} });
		assert.match(line?.missed[0] ?? "", /now closed/);
	});
});
