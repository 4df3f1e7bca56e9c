import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Drill, DrillFigures, DrillFindings } from "./drill.ts";
import { missedMedianBars } from "./drill.ts";
import { fakeDrillMesh } from "./drill-mesh.testing.ts";
import type { DrillReport } from "./drill-mesh.ts";
import type { DrillSidecar } from "./drill-sidecar.ts";
import { agentAndSidecarDrill } from "./drills/agent-and-sidecar.ts";
import { restoreDrill } from "./drills/restore.ts";
import { sidecarCrashDrill } from "./drills/sidecar-crash.ts";
import { sidecarHangDrill } from "./drills/sidecar-hang.ts";
import { runDrills } from "./run-drills.ts";

const side = { sent: 50, lost: 0, failingMs: 0, gapMs: 5, byOutcome: { "200": 50 } };
const goodReport: DrillReport = {
	sent: 100,
	byOutcome: { "200": 100 },
	byVersion: {},
	latencyMs: { min: 1, p50: 1, p99: 1, max: 1 },
	longestGapMs: 5,
	durationMs: 200,
	plaintext: 0,
	sides: { inbound: side, outbound: side },
};

/** All is as it should be, but for what a test changes; time passes only when somebody waits. */
function rig(changes: Partial<DrillSidecar> = {}, report: Partial<DrillReport> = {}) {
	const done: string[] = [];
	let nowMs = 0;
	const spend = async (what: string, ms: number) => {
		done.push(what);
		nowMs += ms;
	};
	const good: DrillSidecar = {
		break: async (signal, agentToo) => {
			done.push(`${signal}${agentToo ? " and agent" : ""}`);
			return nowMs;
		},
		reviveAgent: () => spend("revive", 0),
		untilSwitched: () => spend("switched", 8),
		untilRestored: () => spend("restored", 700),
		hold: async () => ({
			untilClosed: async () => {
				done.push("closed");
				return nowMs + 160;
			},
		}),
		bypassByHand: () => spend("bypass", 1),
		restoreByHand: () => spend("restore", 1),
		countFromNow: () => void done.push("count"),
	};
	const mesh = fakeDrillMesh({
		startLoad: async () => ({ stop: async () => ({ ...goodReport, ...report }) }),
		nowMs: () => nowMs,
		sleep: async (ms) => {
			nowMs += ms;
		},
		sidecar: async () => ({ ...good, ...changes }),
	});
	return { mesh, done };
}

describe("drills of the hot-switch", () => {
	const cases: readonly (readonly [Drill, DrillFindings, readonly string[]])[] = [
		[sidecarCrashDrill, { detectMs: 8, restoreMs: 708 }, ["SIGKILL", "switched", "restored"]],
		[sidecarHangDrill, { detectMs: 160, restoreMs: 700 }, ["SIGSTOP", "closed", "restored"]],
		[agentAndSidecarDrill, { restoreMs: 1700 }, ["SIGKILL and agent", "revive", "restored"]],
		[
			restoreDrill,
			{ restoreMs: 858 },
			["SIGKILL", "switched", "count", "restored", "bypass", "switched", "restore", "restored"],
		],
	];
	for (const [drill, findings, order] of cases)
		it(`${drill.name} gives ${JSON.stringify(findings)}`, async () => {
			const { mesh, done } = rig();
			assert.deepEqual(await drill.inject(mesh), findings);
			assert.deepEqual(done, order);
		});

	it("bring the agent back when the drill breaks off", async () => {
		const { mesh, done } = rig();
		await assert.rejects(
			agentAndSidecarDrill.inject({ ...mesh, sleep: () => Promise.reject(new Error("interrupted")) }),
			/interrupted/,
		);
		assert.equal(done.at(-1), "revive");
	});

	it("do not pass where there is no sidecar", async () => {
		const { sidecar: _, ...mesh } = rig().mesh;
		for (const [drill] of cases) await assert.rejects(drill.inject(mesh), /there is no sidecar/);
	});

	const bad: readonly (readonly [Drill, Partial<DrillReport>, RegExp])[] = [
		[
			sidecarCrashDrill,
			{ sides: { inbound: side, outbound: { ...side, failingMs: 61 } } },
			/convergeMs is 61, and may be at most 60/,
		],
		[sidecarHangDrill, { sides: { inbound: { ...side, failingMs: 101 } } }, /convergeMs is 101/],
		[sidecarHangDrill, { sides: undefined } as object, /convergeMs was not measured/],
		[agentAndSidecarDrill, { strays: 1 }, /wrong is 1/],
		[restoreDrill, { byOutcome: { "200": 99, ECONNRESET: 1 } }, /1 requests ended in ECONNRESET/],
	];
	for (const [drill, report, said] of bad)
		it(`${drill.name} misses its bar: ${said.source}`, async () => {
			const [, line] = await runDrills([drill], { runs: 1 }, rig({}, report).mesh, { ends: () => {} });
			assert.match(line?.missed.join("\n") ?? "", said);
		});

	it("have each side in their figures", async () => {
		const [, line] = await runDrills([sidecarCrashDrill], { runs: 1 }, rig().mesh, { ends: () => {} });
		assert.deepEqual(line?.figures.sides, goodReport.sides);
	});

	it("are judged by their median when there are runs enough", () => {
		const runs = (...convergeMs: readonly number[]) => convergeMs.map((ms) => ({ convergeMs: ms }) as DrillFigures);
		assert.deepEqual(missedMedianBars(runs(3, 3, 50, 50, 50), { convergeMs: 15 }), [
			"the median of convergeMs is 50, and may be at most 15",
		]);
		assert.deepEqual(missedMedianBars(runs(3, 3, 3, 50, 50), { convergeMs: 15 }), []);
		assert.deepEqual(missedMedianBars(runs(50), { convergeMs: 15 }), []);
	});
});
