import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DrillLayer4 } from "./drill-layer4.ts";
import { fakeDrillMesh } from "./drill-mesh.testing.ts";
import type { DrillMesh } from "./drill-mesh.ts";
import { l4BackendCrashDrill } from "./drills/l4-backend-crash.ts";
import { l4NodeLossDrill } from "./drills/l4-node-loss.ts";

function fakeMesh(layer4: DrillLayer4 | undefined, spend: () => number): DrillMesh {
	return fakeDrillMesh({
		nowMs: spend,
		sleep: async () => {},
		...(layer4 ? { layer4: async () => layer4 } : {}),
	});
}

describe("drills of layer 4", () => {
	let nowMs = 0;
	const layer4: DrillLayer4 = {
		crashBackend: async () => ({ outMs: 40, backMs: 900 }),
		loseNode: async () => {
			nowMs += 30;
		},
		repairNode: async () => {
			nowMs += 70;
		},
	};

	it("measure a crash until the server is out of the rules, and until it is back", async () => {
		const findings = await l4BackendCrashDrill.inject(fakeMesh(layer4, () => nowMs));
		assert.deepEqual(findings, { detectMs: 40, restoreMs: 900 });
	});

	it("measure the loss of a node until another leads its connections, and the repair", async () => {
		const findings = await l4NodeLossDrill.inject(fakeMesh(layer4, () => nowMs));
		assert.deepEqual(findings, { convergeMs: 30, restoreMs: 70 });
	});

	it("do not pass where there is no layer 4", async () => {
		for (const drill of [l4BackendCrashDrill, l4NodeLossDrill])
			await assert.rejects(drill.inject(fakeMesh(undefined, () => nowMs)), /there is no layer 4/);
	});
});
