import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	idleRollout,
	isStaged,
	type RolloutConfig,
	type RolloutEvent,
	type RolloutState,
	stepRollout,
} from "./rollout-machine.ts";

const config: RolloutConfig = { minProxies: 4, settleMs: 250, answerMs: 2000, waves: [0.25, 1] };

/** Prints what each event leads to, one line for each action. */
function script(...events: readonly RolloutEvent[]): {
	readonly lines: readonly string[];
	readonly state: RolloutState;
} {
	let state = idleRollout;
	const lines: string[] = [];
	for (const event of events) {
		const stepped = stepRollout(config, state, event);
		state = stepped.state;
		for (const action of stepped.actions) {
			if (action.type === "setTimer") lines.push(`timer ${action.afterMs}`);
			else if (action.type === "widen") lines.push(`${action.isLast ? "last" : "next"} ${action.proxyIds.join(" ")}`);
			else lines.push(action.type);
		}
	}
	return { lines, state };
}

const begun = (first: readonly string[], rest: readonly string[] = []): RolloutEvent => ({
	type: "begun",
	first,
	rest,
});
const answered = (proxyId: string): RolloutEvent => ({ type: "answered", proxyId });
const expired: RolloutEvent = { type: "timerExpired" };

describe("a rollout", () => {
	it("goes to a quarter of the rest, then to all of it, each time after answers and a quiet moment", () => {
		const { lines, state } = script(
			begun(["a"], ["b", "c", "d", "e"]),
			answered("a"),
			expired,
			answered("b"),
			expired,
			...["c", "d", "e"].map(answered),
			expired,
		);
		assert.deepEqual(lines, [
			"timer 2000",
			"timer 250",
			"timer 2000",
			"next b",
			"timer 250",
			"timer 2000",
			"last c d e",
			"timer 250",
			"agreed",
			"end",
		]);
		assert.equal(state, idleRollout);
	});

	it("does not wait for ever for a proxy that does not answer", () => {
		assert.deepEqual(script(begun(["a"], ["b"]), expired, expired).lines.at(-1), "last b");
	});

	it("waits for the return of one of the first, which may have left because of what it got", () => {
		const left = [begun(["a", "x"], ["b"]), answered("a"), { type: "left", proxyId: "x" }] as const;
		assert.deepEqual(script(...left).lines, ["timer 2000"]);
		assert.deepEqual(script(...left, answered("x")).lines, ["timer 2000", "timer 250"]);
		assert.deepEqual(script(...left, expired, expired).lines.at(-1), "last b");
	});

	it("does not wait for a proxy that left when nobody waits for it", () => {
		const { lines } = script(begun(["a", "x"]), answered("a"), { type: "left", proxyId: "x" });
		assert.deepEqual(lines, ["timer 2000", "timer 250", "agreed"]);
	});

	it("asks again all that have it when what is tried is revised, and holds the others back meanwhile", () => {
		const { lines, state } = script(begun(["a", "b"], ["c"]), answered("a"), { type: "revised" }, answered("a"));
		assert.deepEqual(lines, ["timer 2000", "timer 2000"]);
		assert.ok(isStaged(state));
	});

	it("has nobody to hold back where all are first", () => {
		const { lines, state } = script(begun(["a", "b"]), answered("a"), answered("b"));
		assert.deepEqual(lines, ["timer 2000", "timer 250", "agreed"]);
		assert.ok(!isStaged(state));
	});

	it("pays no attention to answers of proxies that wait", () => {
		assert.deepEqual(script(begun(["a"], ["b"]), answered("b")).lines, ["timer 2000"]);
	});
});
