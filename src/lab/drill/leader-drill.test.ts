import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DrillLeader } from "./drill-leader.ts";
import { fakeDrillMesh } from "./drill-mesh.testing.ts";
import { leaderCrashDrill } from "./drills/leader-crash.ts";

/** A group whose new leader takes 200 ms, and whose push takes `pushMs`; time passes only when somebody waits. */
function rig({ pushMs = 50, back = false }: { readonly pushMs?: number; readonly back?: boolean } = {}) {
	let nowMs = 0;
	let number = 0;
	let before = 0;
	let fromMs = 0;
	let isKilled = false;
	const leader: DrillLeader = {
		whole: async () => {
			isKilled = false;
		},
		killLeader: async () => {
			isKilled = true;
		},
		write: async (wanted) => {
			if (isKilled) nowMs += 200;
			before = number;
			number = wanted;
			fromMs = nowMs + pushMs;
		},
		// Where configuration goes backwards, a replica that lags behind says what was before the last change.
		numberSeen: async () => (nowMs >= fromMs ? number : back && isKilled ? before - 1 : before),
	};
	const mesh = fakeDrillMesh({
		nowMs: () => nowMs,
		sleep: async (ms) => {
			nowMs += ms;
		},
		leader: async () => leader,
	});
	return mesh;
}

describe("the drill leader-crash", () => {
	it("measures until a change is accepted, and until a caller sees it", async () => {
		assert.deepEqual(await leaderCrashDrill.inject(rig()), { detectMs: 200, convergeMs: 250, wrong: 0 });
	});

	it("counts configuration that goes backwards", async () => {
		const { wrong } = await leaderCrashDrill.inject(rig({ back: true }));
		assert.ok((wrong ?? 0) > 0);
	});

	it("says when the change never comes, and when there is no group", async () => {
		await assert.rejects(leaderCrashDrill.inject(rig({ pushMs: 60_000 })), /the change 1 is not seen/);
		const { leader: _, ...alone } = rig();
		await assert.rejects(leaderCrashDrill.inject(alone), /no group of control planes/);
	});
});
