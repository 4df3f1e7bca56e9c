import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	defaultHandoverConfig as config,
	type HandoverAction,
	type HandoverEvent,
	type HandoverState,
	type HandoverTimer,
	noHandover,
	step,
} from "./handover-machine.ts";

const requested: HandoverEvent = { type: "requested", because: "another Envoy" };
const started: HandoverEvent = { type: "successorStarted" };
const ready: HandoverEvent = { type: "probed", ready: true, because: "" };
const unready: HandoverEvent = { type: "probed", ready: false, because: "no listeners" };
const gone: HandoverEvent = { type: "successorExited", because: "exited with code 1" };
const predecessorGone: HandoverEvent = { type: "predecessorExited" };
const fired = (timer: HandoverTimer): HandoverEvent => ({ type: "timerFired", timer });
const counted = (inbound: number, outbound: number, responses = 0): HandoverEvent => ({
	type: "counted",
	connections: { inbound, outbound },
	responses,
});
const toProving = [requested, started, ready];
const toDraining = [...toProving, fired("proved")];

function run(...events: readonly HandoverEvent[]): { state: HandoverState; actions: readonly string[] } {
	let state = noHandover;
	let actions: readonly HandoverAction[] = [];
	for (const event of events) ({ state, actions } = step(config, state, event));
	return { state, actions: actions.map(wordOf) };
}

function wordOf(action: HandoverAction): string {
	switch (action.type) {
		case "setTimer":
			return `${action.timer} in ${action.afterMs}`;
		case "signal":
			return `${action.signal} to ${action.who}`;
		case "pace":
			return `pace ${action.pressure}`;
		case "report":
			return `${action.ok ? "done" : "given up"}: ${action.because}`;
		default:
			return action.type;
	}
}

describe("an Envoy that hands over to another beside it", () => {
	it("goes on alone until the other is ready", () => {
		assert.deepEqual(run(requested).actions, ["startSuccessor", "startLimit in 60000"]);
		assert.deepEqual(run(requested, started).actions, ["probe"]);
		const waiting = run(requested, started, unready);
		assert.deepEqual([waiting.state.phase, waiting.actions], ["starting", ["probe in 50"]]);
	});

	it("lets the other one prove itself beside it before it retires", () => {
		assert.deepEqual(run(...toProving).actions, ["proved in 1000", "probe in 50"]);
		const { state, actions } = run(...toDraining);
		assert.equal(state.phase, "draining");
		assert.deepEqual(actions, [
			"clearTimers",
			"promote",
			"retirePredecessor",
			"drainPoll in 500",
			"drainLimit in 300000",
		]);
	});

	it("goes on as if nothing had been when the other ends, cannot start, or is not ready in time", () => {
		for (const [because, ...events] of [
			["the new Envoy exited with code 1", requested, started, gone],
			["the new Envoy exited with code 1", ...toProving, gone],
			["no such file", requested, { type: "successorNotStarted", because: "no such file" }],
		] as const) {
			const { state, actions } = run(...events);
			assert.deepEqual([state.phase, state.last], ["idle", { ok: false, because }]);
			assert.deepEqual(actions, ["clearTimers", `given up: ${because}`]);
		}
		const late = run(requested, started, unready, fired("startLimit"));
		assert.equal(late.state.phase, "abandoning");
		assert.match(JSON.stringify(late.state), /not ready within 60000 ms: no listeners/);
	});

	it("takes the other away without a lost connection when it stops being ready", () => {
		const abandoned = run(...toProving, unready);
		assert.deepEqual(abandoned.actions, ["clearTimers", "stopSuccessor", "drainLimit in 2000"]);
		assert.deepEqual(run(...toProving, unready, fired("drainLimit")).actions, ["SIGTERM to successor", "kill in 5000"]);
		assert.deepEqual(run(...toProving, unready, fired("kill")).actions, ["SIGKILL to successor"]);
		const { state, actions } = run(...toProving, unready, gone);
		assert.equal(state.phase, "idle");
		assert.deepEqual(actions, ["clearTimers", "given up: the new Envoy is not ready any more: no listeners"]);
	});

	it("has a successor at once when it dies while the other proves itself", () => {
		const { state, actions } = run(...toProving, predecessorGone);
		assert.deepEqual([state.phase, actions], ["idle", ["clearTimers", "promote", "done: another Envoy"]]);
	});

	it("is started again like after any crash when it dies before the other is ready", () => {
		assert.equal(run(requested, started, predecessorGone).state.phase, "abandoning");
	});

	it("closes a tenth of its connections a second, however many responses they give", () => {
		assert.deepEqual(run(...toDraining, counted(60, 40)).actions, ["pace 0", "drainPoll in 500"]);
		assert.deepEqual(run(...toDraining, counted(60, 40), counted(60, 40, 1000)).actions, [
			"pace 0.005",
			"drainPoll in 500",
		]);
		assert.deepEqual(run(...toDraining, counted(60, 40), counted(10, 10, 20)).actions, [
			"pace 0.25",
			"drainPoll in 500",
		]);
		assert.deepEqual(run(...toDraining, counted(60, 40), counted(10, 10, 1)).actions, ["pace 1", "drainPoll in 500"]);
		assert.deepEqual(run(...toDraining, { type: "counted" }).actions, ["drainPoll in 500"]);
	});

	it("ends soon when nothing is open, and in any case at the limit", () => {
		const idle = run(...toDraining, counted(1, 0), counted(0, 0));
		assert.deepEqual([idle.state.phase, idle.actions], ["ending", ["clearTimers", "closeAll", "drainLimit in 50"]]);
		const late = run(...toDraining, counted(1, 0), fired("drainLimit"));
		assert.deepEqual([late.state.phase, late.actions], ["ending", ["clearTimers", "closeAll", "drainLimit in 2000"]]);
		const cut = [...toDraining, fired("drainLimit"), fired("drainLimit")];
		assert.deepEqual(run(...cut).actions, ["SIGTERM to predecessor", "kill in 5000"]);
		assert.deepEqual(run(...cut, fired("kill")).actions, ["SIGKILL to predecessor"]);
		assert.deepEqual(run(...cut, predecessorGone).actions, ["clearTimers", "done: another Envoy"]);
	});

	it("is not asked twice at a time, and may be asked again", () => {
		assert.deepEqual(run(...toProving, requested).actions, []);
		assert.equal(run(requested, gone, requested).state.phase, "starting");
	});

	it("is over when the pod leaves", () => {
		assert.equal(run(...toProving, { type: "cancelled" }).state.phase, "abandoning");
		const leaving = run(...toDraining, { type: "cancelled" });
		assert.deepEqual(
			[leaving.state.phase, leaving.actions],
			["ending", ["clearTimers", "closeAll", "drainLimit in 2000"]],
		);
		assert.deepEqual(run({ type: "cancelled" }), { state: noHandover, actions: [] });
	});

	it("goes on under the next agent", () => {
		const begun = run({ type: "adoptedStarting", because: "begun by an earlier agent" });
		assert.deepEqual([begun.state.phase, begun.actions], ["starting", ["probe", "startLimit in 60000"]]);
		const { state, actions } = run({ type: "adoptedDraining", because: "begun by an earlier agent" });
		assert.equal(state.phase, "draining");
		assert.deepEqual(actions, ["clearTimers", "retirePredecessor", "drainPoll in 500", "drainLimit in 300000"]);
	});
});
