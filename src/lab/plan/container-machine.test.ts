import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	type ContainerConfig,
	type ContainerEvent,
	type ContainerState,
	defaultBackOff,
	newContainer,
	step,
} from "./container-machine.ts";

const config = (probes: ContainerConfig["probes"] = {}): ContainerConfig => ({ probes, ...defaultBackOff });
const once = { success: 1, failure: 1 };

function play(settings: ContainerConfig, events: readonly ContainerEvent[], from = newContainer) {
	let state: ContainerState = from;
	const actions: unknown[] = [];
	for (const event of events) {
		const stepped = step(settings, state, event);
		state = stepped.state;
		actions.push(...stepped.actions);
	}
	return { state, actions };
}

const started = (atMs = 0): ContainerEvent => ({ type: "processStarted", atMs });
const endedAt = (atMs: number): ContainerEvent => ({ type: "processEnded", atMs, because: "exited with code 1" });
const probe = (name: "startup" | "liveness" | "readiness", ok: boolean): ContainerEvent => ({
	type: "probed",
	probe: name,
	ok,
	message: "refused",
});

describe("a container", () => {
	it("without probes is ready as soon as its process runs", () => {
		assert.equal(play(config(), [started()]).state.ready, true);
	});

	it("is not ready before its readiness probe passed, and no more after it failed often enough", () => {
		const settings = config({ readiness: { success: 2, failure: 2 } });
		const ready = [started(), probe("readiness", true), probe("readiness", true)];
		assert.equal(play(settings, ready.slice(0, 2)).state.ready, false);
		assert.equal(play(settings, ready).state.ready, true);
		assert.equal(play(settings, [...ready, probe("readiness", false)]).state.ready, true);
		const lost = play(settings, [...ready, probe("readiness", false), probe("readiness", false)]);
		assert.deepEqual([lost.state.ready, lost.actions], [false, []]);
	});

	it("listens to liveness only after its startup probe has passed", () => {
		const settings = config({ startup: { success: 1, failure: 5 }, liveness: once });
		assert.deepEqual(play(settings, [started(), probe("liveness", false)]).actions, []);
		const after = play(settings, [started(), probe("startup", true), probe("liveness", false)]);
		assert.deepEqual(after.actions, [{ type: "killProcess", because: "liveness probe failed: refused" }]);
	});

	it("is killed when its startup probe never passes, but not by the lab's own wait for a port", () => {
		assert.equal(play(config({ startup: once }), [started(), probe("startup", false)]).actions.length, 1);
		const waited = play(config({ startup: { ...once, onFailure: "pass" } }), [started(), probe("startup", false)]);
		assert.deepEqual([waited.state.ready, waited.actions], [true, []]);
	});

	it("starts again at once, then with pauses that double up to the longest", () => {
		const events = Array.from({ length: 9 }, () => [started(0), endedAt(10), { type: "pauseOver" } as const]).flat();
		const { state, actions } = play(config(), events);
		const pauses = actions.flatMap((action) => {
			const { type, ms } = action as { type: string; ms?: number };
			return type === "pause" ? [ms] : [];
		});
		assert.deepEqual(pauses, [0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
		assert.equal(state.restarts, 9);
		assert.match(state.because, /^CrashLoopBackOff: exited with code 1/);
	});

	it("forgets its crashes after a steady run", () => {
		const { actions } = play(config(), [started(0), endedAt(10), started(20), endedAt(60_020)]);
		assert.deepEqual(actions, [
			{ type: "pause", ms: 0 },
			{ type: "pause", ms: 0 },
		]);
	});

	it("is not started again once it is to stop", () => {
		const { state, actions } = play(config(), [
			started(),
			{ type: "stopRequested" },
			endedAt(5),
			{ type: "pauseOver" },
		]);
		assert.deepEqual([state.phase, actions], ["stopped", []]);
	});
});
