// The life of one pod's Envoy, from redirect and start to drain and stop. In: what happened. Out: what to do next, in order.
// The shell around it is PodSupervisor. Timers are actions; one armed again replaces the old one of that name.

export type ProxyTimer = "probe" | "restart" | "stable" | "drainPoll" | "drainEnd" | "kill";

export interface Connections {
	/** Open connections to the inbound and gateway listeners. */
	readonly inbound: number;
	/** Open connections to the outbound listener. */
	readonly outbound: number;
}

interface Common {
	readonly pid?: number;
	/** False until the redirect is in the kernel. */
	readonly redirected: boolean;
	/** Starts that failed or ended early, one after the other. */
	readonly failures: number;
}

export type ProxyState = Common &
	(
		| { readonly phase: "new" | "settling" | "stopping" | "stopped" | "ready" }
		/** With `settle`, connections that Envoy took until the redirect was gone may end before it does. */
		| { readonly phase: "releasing"; readonly settle: boolean }
		| { readonly phase: "starting"; readonly live: boolean; readonly probes: number; readonly because: string }
		| { readonly phase: "waiting" | "failed"; readonly because: string }
		| { readonly phase: "draining"; readonly thenStop: boolean; readonly connections?: Connections }
	);

export type ProxyEvent =
	| { readonly type: "opened" }
	| { readonly type: "adopted"; readonly pid: number }
	| { readonly type: "redirectApplied" }
	| { readonly type: "redirectRefused"; readonly because: string }
	| { readonly type: "redirectReleased" }
	| { readonly type: "processStarted"; readonly pid: number }
	/** Another Envoy, ready too, has taken over from the one that there was. */
	| { readonly type: "processReplaced"; readonly pid: number }
	| { readonly type: "processNotStarted"; readonly because: string }
	| { readonly type: "processExited"; readonly because: string }
	/** `because` says what is still missing when it is not ready. */
	| { readonly type: "probed"; readonly ready: boolean; readonly because: string }
	/** Without connections when Envoy did not answer: then nobody knows, and the drain goes on. */
	| { readonly type: "connectionsCounted"; readonly connections?: Connections }
	| { readonly type: "drainRequested" }
	| { readonly type: "stopRequested"; readonly graceMs: number }
	| { readonly type: "timerFired"; readonly timer: ProxyTimer };

export type ProxyAction =
	| {
			readonly type:
				| "applyRedirect"
				/** New connections are no longer caught; open ones go on. */
				| "releaseRedirect"
				| "startProcess"
				| "probe"
				| "markReady"
				| "markNotReady"
				| "drainInbound"
				| "countConnections"
				/** Takes away what is left: the table, the files. */
				| "finish";
	  }
	| { readonly type: "signal"; readonly signal: "SIGTERM" | "SIGKILL" }
	| { readonly type: "setTimer"; readonly timer: ProxyTimer; readonly afterMs: number }
	| { readonly type: "clearTimers" };

/** It has no redirect any more, or will have none. */
export const leavingPhases: ReadonlySet<ProxyState["phase"]> = new Set([
	"releasing",
	"settling",
	"stopping",
	"stopped",
	"failed",
]);

export interface ProxyMachineConfig {
	/** Between the first readiness probes; later ones are up to ten times as far apart. */
	readonly probeIntervalMs: number;
	readonly restartFirstMs: number;
	readonly restartMaxMs: number;
	/** An Envoy that was ready for so long counts as healthy: the next restart is quick again. */
	readonly stableMs: number;
	/** Inbound is drained at least so long, so that clients that have not heard yet are still served. */
	readonly minDrainMs: number;
	readonly drainPollMs: number;
	/** Longest wait, after the redirect is gone, for connections that came until then. */
	readonly settleMs: number;
	/** From SIGTERM to SIGKILL. */
	readonly killAfterMs: number;
}

export const defaultProxyMachineConfig: ProxyMachineConfig = {
	probeIntervalMs: 15,
	restartFirstMs: 100,
	restartMaxMs: 10_000,
	stableMs: 30_000,
	minDrainMs: 500,
	drainPollMs: 100,
	settleMs: 1000,
	killAfterMs: 5000,
};

export const newProxy: ProxyState = { phase: "new", redirected: false, failures: 0 };

export interface Stepped {
	readonly state: ProxyState;
	readonly actions: readonly ProxyAction[];
}

export function step(config: ProxyMachineConfig, state: ProxyState, event: ProxyEvent): Stepped {
	const stay = (...actions: readonly ProxyAction[]): Stepped => ({ state, actions });
	const common: Common = {
		redirected: state.redirected,
		failures: state.failures,
		...(state.pid === undefined ? {} : { pid: state.pid }),
	};
	switch (event.type) {
		case "opened":
			if (state.phase !== "new") return stay();
			return {
				state: starting({ ...common }),
				actions: [{ type: "applyRedirect" }, { type: "startProcess" }],
			};
		case "adopted":
			if (state.phase !== "new") return stay();
			return {
				state: starting({ ...common, pid: event.pid }),
				actions: [{ type: "applyRedirect" }, { type: "probe" }],
			};
		case "redirectApplied": {
			const redirected = { ...state, redirected: true };
			if (state.phase === "starting" && state.live) return becomeReady(config, { ...common, redirected: true });
			return { state: redirected, actions: [] };
		}
		case "redirectRefused":
			// A redirect that was there before stays as it was, and so does the Envoy behind it.
			if (isEnding(state) || state.phase === "ready" || state.phase === "draining") return stay();
			return {
				state: { phase: "failed", ...common, because: event.because },
				actions: [{ type: "clearTimers" }, ...terminate(config, state)],
			};
		case "redirectReleased":
			if (state.phase !== "releasing") return stay();
			if (state.pid === undefined) return finished(common);
			if (!state.settle) return endProcess(config, common);
			return {
				state: { phase: "settling", ...common },
				actions: [{ type: "countConnections" }, { type: "setTimer", timer: "drainEnd", afterMs: config.settleMs }],
			};
		case "processStarted":
			if (state.phase === "starting") return { state: { ...state, pid: event.pid }, actions: [{ type: "probe" }] };
			// Stopped while it was being started.
			return { state: { ...state, pid: event.pid }, actions: terminate(config, { ...state, pid: event.pid }) };
		case "processReplaced":
			return { state: { ...state, pid: event.pid }, actions: [] };
		case "processNotStarted":
			return state.phase === "starting" ? waitForRestart(config, common, event.because) : stay();
		case "processExited":
			return afterExit(config, state, common, event.because);
		case "probed":
			if (state.phase !== "starting" || state.pid === undefined) return stay();
			if (event.ready)
				return state.redirected
					? becomeReady(config, common)
					: { state: { ...state, live: true, because: "the redirect is not in the kernel yet" }, actions: [] };
			return {
				state: { ...state, probes: state.probes + 1, because: event.because },
				actions: [
					{
						type: "setTimer",
						timer: "probe",
						afterMs: probeDelayMs(config, state.probes),
					},
				],
			};
		case "connectionsCounted": {
			const { connections } = event;
			const idle = connections && connections.inbound + connections.outbound === 0;
			if (state.phase === "settling")
				return idle ? endProcess(config, common) : stay({ type: "setTimer", timer: "drainPoll", afterMs: 20 });
			if (state.phase !== "draining") return stay();
			if (state.thenStop && idle) return release(common, true);
			return {
				state: connections ? { ...state, connections } : state,
				actions: [{ type: "setTimer", timer: "drainPoll", afterMs: config.drainPollMs }],
			};
		}
		case "drainRequested":
			return state.phase === "ready" ? startDrain(config, common, false) : stay();
		case "stopRequested":
			return stop(config, state, common, event.graceMs);
		case "timerFired":
			return onTimer(config, state, common, event.timer);
		default:
			return event satisfies never;
	}
}

/** Many Envoys may start at once: those that take long are asked less often. */
function probeDelayMs(config: ProxyMachineConfig, probes: number): number {
	return config.probeIntervalMs * (probes < 20 ? 1 : probes < 50 ? 3 : 10);
}

/** Doubles from the first to the longest wait. */
export function restartDelayMs(config: ProxyMachineConfig, failures: number): number {
	return Math.min(config.restartMaxMs, config.restartFirstMs * 2 ** Math.min(20, Math.max(0, failures - 1)));
}

function onTimer(config: ProxyMachineConfig, state: ProxyState, common: Common, timer: ProxyTimer): Stepped {
	const stay: Stepped = { state, actions: [] };
	switch (timer) {
		case "probe":
			return state.phase === "starting" ? { state, actions: [{ type: "probe" }] } : stay;
		case "restart":
			if (state.phase !== "waiting") return stay;
			return { state: starting(common), actions: [{ type: "startProcess" }] };
		case "stable":
			return state.phase === "ready" ? { state: { ...state, failures: 0 }, actions: [] } : stay;
		case "drainPoll":
			if (state.phase !== "draining" && state.phase !== "settling") return stay;
			return { state, actions: [{ type: "countConnections" }] };
		case "drainEnd":
			if (state.phase === "settling") return endProcess(config, common);
			return state.phase === "draining" ? release(common, false) : stay;
		case "kill":
			return state.pid === undefined ? stay : { state, actions: [{ type: "signal", signal: "SIGKILL" }] };
		default:
			return timer satisfies never;
	}
}

function stop(config: ProxyMachineConfig, state: ProxyState, common: Common, graceMs: number): Stepped {
	switch (state.phase) {
		case "ready": {
			const drain = startDrain(config, common, true);
			return { state: drain.state, actions: [...drain.actions, drainEnd(graceMs)] };
		}
		case "draining":
			return { state: { ...state, thenStop: true }, actions: [drainEnd(graceMs), { type: "countConnections" }] };
		case "new":
		case "starting":
		case "waiting":
		case "failed":
			return release(common, false);
		case "releasing":
		case "settling":
		case "stopping":
		case "stopped":
			return { state, actions: [] };
		default:
			return state satisfies never;
	}
}

function afterExit(config: ProxyMachineConfig, state: ProxyState, common: Common, because: string): Stepped {
	const gone: Common = { redirected: common.redirected, failures: common.failures };
	switch (state.phase) {
		case "starting":
		case "ready":
			return waitForRestart(config, gone, because);
		case "draining":
			// While it drains for a stop nothing is left to serve; otherwise the pod still needs its network.
			return state.thenStop ? release(gone, false) : waitForRestart(config, gone, because);
		case "settling":
		case "stopping":
			return finished(gone);
		case "failed":
			return { state: { phase: "failed", ...gone, because: state.because }, actions: [{ type: "clearTimers" }] };
		case "new":
		case "waiting":
		case "releasing":
		case "stopped":
			return { state: { ...withoutPid(state) }, actions: [] };
		default:
			return state satisfies never;
	}
}

function starting(common: Common): ProxyState {
	return { phase: "starting", ...common, live: false, probes: 0, because: "Envoy was not asked yet" };
}

function becomeReady(config: ProxyMachineConfig, common: Common): Stepped {
	return {
		state: { phase: "ready", ...common },
		actions: [{ type: "markReady" }, { type: "setTimer", timer: "stable", afterMs: config.stableMs }],
	};
}

function waitForRestart(config: ProxyMachineConfig, common: Common, because: string): Stepped {
	const failures = common.failures + 1;
	return {
		state: { phase: "waiting", redirected: common.redirected, failures, because },
		actions: [
			{ type: "clearTimers" },
			{ type: "setTimer", timer: "restart", afterMs: restartDelayMs(config, failures) },
		],
	};
}

function startDrain(config: ProxyMachineConfig, common: Common, thenStop: boolean): Stepped {
	return {
		state: { phase: "draining", ...common, thenStop },
		actions: [
			{ type: "markNotReady" },
			{ type: "drainInbound" },
			{ type: "setTimer", timer: "drainPoll", afterMs: config.minDrainMs },
		],
	};
}

/** The redirect goes first: an application that still runs then connects directly instead of to nobody. */
function release(common: Common, settle: boolean): Stepped {
	return {
		state: { phase: "releasing", ...common, settle },
		actions: [{ type: "clearTimers" }, { type: "releaseRedirect" }],
	};
}

function endProcess(config: ProxyMachineConfig, common: Common): Stepped {
	const state: ProxyState = { phase: "stopping", ...common };
	return { state, actions: [{ type: "clearTimers" }, ...terminate(config, state)] };
}

function terminate(config: ProxyMachineConfig, state: ProxyState): readonly ProxyAction[] {
	if (state.pid === undefined) return [];
	return [
		{ type: "signal", signal: "SIGTERM" },
		{ type: "setTimer", timer: "kill", afterMs: config.killAfterMs },
	];
}

function finished(common: Common): Stepped {
	return { state: { phase: "stopped", ...common }, actions: [{ type: "clearTimers" }, { type: "finish" }] };
}

function drainEnd(graceMs: number): ProxyAction {
	return { type: "setTimer", timer: "drainEnd", afterMs: graceMs };
}

function isEnding(state: ProxyState): boolean {
	return ["releasing", "settling", "stopping", "stopped"].includes(state.phase);
}

function withoutPid(state: ProxyState): ProxyState {
	const { pid: _, ...rest } = state;
	return rest as ProxyState;
}
