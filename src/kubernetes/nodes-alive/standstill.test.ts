// A process that stood still has missed what came meanwhile; it says nothing of others from that.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultSilenceConfig, initialSilence, type SilenceEvent, stepSilence } from "./silence-machine.ts";
import { stepVerdict } from "./verdict-machine.ts";
import { defaultVerdictConfig, initialVerdicts, type VerdictEvent } from "./verdict-state.ts";

describe("a node that stood still", () => {
	function node() {
		let state = initialSilence("a");
		const reports: string[] = [];
		const step = (event: SilenceEvent): void => {
			const next = stepSilence(defaultSilenceConfig, state, event);
			state = next.state;
			for (const action of next.actions)
				if (action.type === "report") reports.push(action.silent.map((one) => one.node).join());
		};
		step({ type: "membersChanged", members: ["a", "b"] });
		step({ type: "ticked", nowMs: 0 });
		step({ type: "heard", node: "b", boot: 1n, sequence: 1n, nowMs: 0 });
		return { reports, step };
	}

	it("does not call others silent for that time, but for the time afterwards", () => {
		const { reports, step } = node();
		step({ type: "ticked", nowMs: 3_000 });
		assert.deepEqual(reports, []);
		for (let nowMs = 3_100; nowMs <= 3_600; nowMs += 100) step({ type: "ticked", nowMs });
		assert.deepEqual(reports, ["b"]);
	});

	it("is not made to hear a silent one by what somebody sends again", () => {
		const { reports, step } = node();
		for (let nowMs = 100; nowMs <= 600; nowMs += 100) step({ type: "ticked", nowMs });
		assert.deepEqual(reports.splice(0), ["b"]);
		for (let count = 0; count < 5; count++) step({ type: "heard", node: "b", boot: 1n, sequence: 1n, nowMs: 700 });
		assert.deepEqual(reports, []);
		for (let sequence = 2n; sequence < 5n; sequence++)
			step({ type: "heard", node: "b", boot: 1n, sequence, nowMs: 800 });
		assert.deepEqual(reports, [""], "three that are new");
	});

	it("hears one that was booted with a clock that is behind", () => {
		const { reports, step } = node();
		step({ type: "heard", node: "b", boot: 1n, sequence: 1_000n, nowMs: 10 });
		for (let nowMs = 100; nowMs <= 600; nowMs += 100) step({ type: "ticked", nowMs });
		assert.deepEqual(reports.splice(0), ["b"]);
		for (let sequence = 5n; sequence < 8n; sequence++)
			step({ type: "heard", node: "b", boot: 2n, sequence, nowMs: 700 });
		assert.deepEqual(reports, [""]);
	});
});

describe("a control plane that stood still", () => {
	it("waits for answers anew before it calls a node lost", () => {
		let state = initialVerdicts;
		const said: string[] = [];
		const step = (event: VerdictEvent): void => {
			const next = stepVerdict(defaultVerdictConfig, state, event);
			state = next.state;
			for (const action of next.actions) if (action.type !== "ask") said.push(action.type);
		};
		step({ type: "nodesChanged", nodes: ["a", "b", "c", "d"], nowMs: 0 });
		for (const observer of ["b", "c"])
			step({ type: "reported", observer, order: { agentMs: 1, sequence: 1 }, silent: ["a"], nowMs: 0 });
		step({ type: "ticked", nowMs: 50 });
		step({ type: "ticked", nowMs: 100 });
		// Three questions are under way.
		step({ type: "ticked", nowMs: 1_500 });
		assert.deepEqual(said, []);
		step({ type: "answered", node: "a", boot: 1n, nowMs: 1_501 });
		for (let nowMs = 1_550; nowMs < 1_680; nowMs += 50) step({ type: "ticked", nowMs });
		assert.deepEqual(said, []);
	});
});
