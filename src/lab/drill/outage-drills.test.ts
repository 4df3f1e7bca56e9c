import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Drill, DrillFindings } from "./drill.ts";
import { fakeDrillMesh } from "./drill-mesh.testing.ts";
import type { DrillOutages } from "./drill-outages.ts";
import { agentRestartDrill } from "./drills/agent-restart.ts";
import { backendCrashDrill } from "./drills/backend-crash.ts";
import { badConfigDrill } from "./drills/bad-config.ts";
import { controlPlanesDownDrill } from "./drills/control-planes-down.ts";
import { partitionDrill } from "./drills/partition.ts";

/** Everything does as it should, but for what a test changes; time passes only when somebody waits. */
function rig(changes: Partial<DrillOutages> = {}) {
	const done: string[] = [];
	let nowMs = 0;
	let written = 0;
	let seen: number | undefined;
	let isCut = false;
	const note = (what: string, ms = 0) => {
		done.push(what);
		nowMs += ms;
	};
	const good: DrillOutages = {
		killControlPlanes: async () => note("kill"),
		reviveControlPlanes: async () => note("revive"),
		restartEnvoy: async () => {
			note("restart", 300);
			return 300;
		},
		killAgents: async () => ({ backMs: 700, touched: [] }),
		cut: async () => {
			isCut = true;
			note("cut");
		},
		heal: async () => {
			isCut = false;
			note("heal");
		},
		write: async (number) => {
			written = number;
		},
		change: async (number) => {
			written = number;
		},
		numberSeen: async () => {
			if (!isCut && written > 0) seen = written;
			return seen;
		},
		crashServer: async () => ({ outMs: 50, backMs: 300 }),
		writeNonsense: async (by) => {
			note(by);
			return by === "envoy" ? 90 : 40;
		},
		removeNonsense: async () => note("remove"),
	};
	const mesh = fakeDrillMesh({
		nowMs: () => nowMs,
		sleep: async (ms) => {
			nowMs += ms;
		},
		outages: async () => ({ ...good, ...changes }),
	});
	return { mesh, done };
}

describe("drills of outages", () => {
	const cases: readonly (readonly [Drill, DrillFindings, readonly string[]])[] = [
		[controlPlanesDownDrill, { restoreMs: 300 }, ["kill", "restart", "revive"]],
		[agentRestartDrill, { convergeMs: 700 }, []],
		[partitionDrill, { restoreMs: 5, wrong: 0 }, ["cut", "heal"]],
		[backendCrashDrill, { detectMs: 50, restoreMs: 300 }, []],
		[badConfigDrill, { detectMs: 90, convergeMs: 0 }, ["validation", "remove", "envoy", "remove"]],
	];
	for (const [drill, findings, order] of cases)
		it(`${drill.name} gives ${JSON.stringify(findings)}`, async () => {
			const { mesh, done } = rig();
			assert.deepEqual(await drill.inject(mesh), findings);
			assert.deepEqual(done, order);
		});

	it("bring the control planes back when an Envoy does not serve from disk", async () => {
		const { mesh, done } = rig({ restartEnvoy: () => Promise.reject(new Error("it does not serve")) });
		await assert.rejects(controlPlanesDownDrill.inject(mesh), /it does not serve/);
		assert.deepEqual(done, ["kill", "revive"]);
	});

	it("agent-restart does not pass when something was touched", async () => {
		const { mesh } = rig({ killAgents: async () => ({ backMs: 1, touched: ["the redirect of a is another one"] }) });
		await assert.rejects(agentRestartDrill.inject(mesh), /the redirect of a is another one/);
	});

	it("partition does not pass when a change arrives although the node is cut off", async () => {
		const { mesh, done } = rig({ cut: async () => {} });
		await assert.rejects(partitionDrill.inject(mesh), /the change 5 arrived, so the node was not cut off/);
		assert.deepEqual(done, ["heal"]);
	});

	it("partition counts configuration that goes backwards", async () => {
		const answers = [undefined, undefined, 3, 2, 5];
		const { mesh } = rig({ numberSeen: async () => answers.shift() });
		assert.equal((await partitionDrill.inject(mesh)).wrong, 1);
	});

	it("partition does not pass when the changes never arrive", async () => {
		const { mesh } = rig({ numberSeen: async () => undefined });
		await assert.rejects(partitionDrill.inject(mesh), /after the repair it stays at change 0/);
	});

	it("bad-config does not pass when the last of the burst never arrives", async () => {
		const { mesh, done } = rig({ numberSeen: async () => 7 });
		await assert.rejects(badConfigDrill.inject(mesh), /the last change is not seen after 20 s/);
		assert.equal(done.at(-1), "remove");
	});

	it("do not pass where nothing can be taken away", async () => {
		const { outages: _, ...mesh } = rig().mesh;
		for (const [drill] of cases) await assert.rejects(drill.inject(mesh), /nothing can be taken away/);
	});
});
