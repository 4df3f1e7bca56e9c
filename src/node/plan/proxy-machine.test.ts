import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	defaultProxyMachineConfig as config,
	newProxy,
	type ProxyAction,
	type ProxyEvent,
	type ProxyState,
	type ProxyTimer,
	restartDelayMs,
	step,
} from "./proxy-machine.ts";

const live: ProxyEvent = { type: "probed", ready: true, because: "" };
const notLive: ProxyEvent = { type: "probed", ready: false, because: "no listeners" };
const started: ProxyEvent = { type: "processStarted", pid: 42 };
const exited: ProxyEvent = { type: "processExited", because: "ended by SIGSEGV" };
const fired = (timer: ProxyTimer): ProxyEvent => ({ type: "timerFired", timer });
const counted = (inbound: number, outbound: number): ProxyEvent => ({
	type: "connectionsCounted",
	connections: { inbound, outbound },
});

/** Runs events from the start; the state at the end and the actions of the last event, as words. */
function run(...events: readonly ProxyEvent[]): { readonly state: ProxyState; readonly actions: readonly string[] } {
	let state = newProxy;
	let actions: readonly ProxyAction[] = [];
	for (const event of events) ({ state, actions } = step(config, state, event));
	return { state, actions: actions.map(wordOf) };
}

function wordOf(action: ProxyAction): string {
	if (action.type === "setTimer") return `${action.timer} in ${action.afterMs}`;
	return action.type === "signal" ? action.signal : action.type;
}

const toReady: readonly ProxyEvent[] = [{ type: "opened" }, started, { type: "redirectApplied" }, live];

describe("the life of a pod's Envoy", () => {
	it("starts redirect and process at the same time", () => {
		assert.deepEqual(run({ type: "opened" }).actions, ["applyRedirect", "startProcess"]);
	});

	it("is ready when both are, in either order", () => {
		assert.deepEqual(run(...toReady).actions, ["markReady", "stable in 30000"]);
		const other = run({ type: "opened" }, started, live, { type: "redirectApplied" });
		assert.equal(other.state.phase, "ready");
		assert.equal(run({ type: "opened" }, started, live).state.phase, "starting");
	});

	it("probes quickly at first, then slowly", () => {
		assert.deepEqual(run({ type: "opened" }, started, notLive).actions, ["probe in 15"]);
		const later = Array.from({ length: 51 }, () => notLive);
		assert.deepEqual(run({ type: "opened" }, started, ...later).actions, ["probe in 150"]);
	});

	it("waits longer after each failure and forgets them after a stable time", () => {
		const crash = [fired("restart"), started, exited] as const;
		assert.deepEqual(run(...toReady, exited).actions, ["clearTimers", "restart in 100"]);
		assert.deepEqual(run(...toReady, exited, ...crash).actions, ["clearTimers", "restart in 200"]);
		assert.deepEqual(run(...toReady, exited, ...crash, ...crash).actions, ["clearTimers", "restart in 400"]);
		const calm = [fired("restart"), started, live, fired("stable"), exited] as const;
		assert.deepEqual(run(...toReady, exited, ...crash, ...calm).actions, ["clearTimers", "restart in 100"]);
		assert.equal(restartDelayMs(config, 1000), config.restartMaxMs);
	});

	it("keeps the redirect over a crash and is ready again without applying it", () => {
		const again = run(...toReady, exited, fired("restart"), started, live);
		assert.equal(again.state.phase, "ready");
		assert.equal(run(...toReady, exited).state.redirected, true);
	});

	it("takes over a running Envoy: heals the redirect, asks, starts nothing", () => {
		assert.deepEqual(run({ type: "adopted", pid: 7 }).actions, ["applyRedirect", "probe"]);
	});

	it("drains before it stops, and stops as soon as nothing is open", () => {
		const stop: ProxyEvent = { type: "stopRequested", graceMs: 10_000 };
		assert.deepEqual(run(...toReady, stop).actions, [
			"markNotReady",
			"drainInbound",
			"drainPoll in 500",
			"drainEnd in 10000",
		]);
		assert.deepEqual(run(...toReady, stop, counted(1, 0)).actions, ["drainPoll in 100"]);
		assert.deepEqual(run(...toReady, stop, counted(0, 1)).actions, ["drainPoll in 100"]);
		assert.deepEqual(run(...toReady, stop, { type: "connectionsCounted" }).actions, ["drainPoll in 100"]);
		const idle = [...toReady, stop, counted(0, 0)];
		assert.deepEqual(run(...idle).actions, ["clearTimers", "releaseRedirect"]);
		const released = [...idle, { type: "redirectReleased" }] as const;
		assert.deepEqual(run(...released).actions, ["countConnections", "drainEnd in 1000"]);
		assert.deepEqual(run(...released, counted(1, 0)).actions, ["drainPoll in 20"]);
		assert.deepEqual(run(...released, counted(0, 0)).actions, ["clearTimers", "SIGTERM", "kill in 5000"]);
		assert.deepEqual(run(...released, fired("drainEnd")).actions, ["clearTimers", "SIGTERM", "kill in 5000"]);
		assert.deepEqual(run(...released, counted(0, 0), exited).actions, ["clearTimers", "finish"]);
	});

	it("stops at the end of the grace time, and kills what does not end", () => {
		const over = [...toReady, { type: "stopRequested", graceMs: 1000 }, counted(3, 3), fired("drainEnd")] as const;
		assert.deepEqual(run(...over).actions, ["clearTimers", "releaseRedirect"]);
		assert.deepEqual(run(...over, { type: "redirectReleased" }, fired("kill")).actions, ["SIGKILL"]);
	});

	it("drains without stopping when only that was asked, and restarts a crashed Envoy meanwhile", () => {
		const draining = [...toReady, { type: "drainRequested" }] as const;
		assert.deepEqual(run(...draining, counted(0, 0)).actions, ["drainPoll in 100"]);
		assert.equal(run(...draining, exited).state.phase, "waiting");
		assert.deepEqual(run(...draining, { type: "stopRequested", graceMs: 5 }).actions, [
			"drainEnd in 5",
			"countConnections",
		]);
	});

	it("stops at once what was not ready", () => {
		for (const events of [
			[{ type: "opened" }],
			[{ type: "opened" }, started],
			[...toReady, exited],
			[{ type: "opened" }, { type: "redirectRefused", because: "no" }],
		] satisfies ProxyEvent[][])
			assert.deepEqual(run(...events, { type: "stopRequested", graceMs: 9 }).actions, [
				"clearTimers",
				"releaseRedirect",
			]);
	});

	it("ends an Envoy that starts while its stop is under way", () => {
		const stopping = [{ type: "opened" }, { type: "stopRequested", graceMs: 0 }] as const;
		assert.deepEqual(run(...stopping, started).actions, ["SIGTERM", "kill in 5000"]);
		assert.deepEqual(run(...stopping, { type: "redirectReleased" }).actions, ["clearTimers", "finish"]);
	});

	it("fails, with the reason, when the kernel refuses the redirect, and leaves no Envoy behind", () => {
		const refused: ProxyEvent = { type: "redirectRefused", because: "no nft_tproxy" };
		const failed = run({ type: "opened" }, started, refused);
		assert.deepEqual(failed.actions, ["clearTimers", "SIGTERM", "kill in 5000"]);
		assert.equal(failed.state.phase === "failed" && failed.state.because, "no nft_tproxy");
		assert.equal(run({ type: "opened" }, started, refused, exited).state.phase, "failed");
		assert.equal(run(...toReady, refused).state.phase, "ready");
	});

	it("never signals without a process and never ends up anywhere but stopped after a stop, in a random walk", () => {
		let seed = 4711;
		const random = (below: number): number => {
			seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
			return (seed >>> 8) % below;
		};
		for (let walk = 0; walk < 2000; walk++) {
			let state = newProxy;
			let processes = 0;
			let releases = 0;
			const apply = (event: ProxyEvent): void => {
				const next = step(config, state, event);
				state = next.state;
				for (const action of next.actions) {
					if (action.type === "startProcess") processes++;
					if (action.type === "releaseRedirect") releases++;
				}
			};
			apply({ type: "opened" });
			for (let i = random(30); i > 0; i--) {
				const events: readonly ProxyEvent[] = [
					...(processes > 0 && state.pid === undefined ? [started] : []),
					...(state.pid === undefined ? [] : [exited, live, notLive]),
					{ type: "redirectApplied" },
					fired("restart"),
					fired("probe"),
					fired("drainPoll"),
					counted(random(2), random(2)),
					{ type: "drainRequested" },
				];
				const event = events[random(events.length)];
				if (!event) continue;
				if (event === exited) processes--;
				if (event === started && state.phase !== "starting") continue;
				apply(event);
				assert.ok(processes <= 1, `two Envoys at once, walk ${walk}`);
			}
			apply({ type: "stopRequested", graceMs: 0 });
			apply(fired("drainEnd"));
			assert.equal(releases, 1, `walk ${walk}: ${state.phase}`);
			apply({ type: "redirectReleased" });
			apply(counted(0, 0));
			if (state.phase === "stopping") apply(exited);
			assert.equal(state.phase, "stopped", `walk ${walk}`);
		}
	});
});
