// One Envoy of a pod hands over to another that is started beside it. In: what happened. Out: what to do next, in order. Both
// listen on the same ports (SO_REUSEPORT), so the successor has its share of connections from the moment it is configured; until it
// has proved itself the predecessor can go on alone. Then the predecessor takes no new connections, and its open ones are closed
// no faster than a budget allows. The shell around it is ProxyHandover.

import { closingPressure } from "./closing-pressure.ts";
import type { Connections } from "./proxy-machine.ts";

export type HandoverTimer = "probe" | "startLimit" | "proved" | "drainPoll" | "drainLimit" | "kill";

/** How one ended. */
export interface HandoverOutcome {
	readonly ok: boolean;
	/** Why it was asked for, or why it was given up. */
	readonly because: string;
}

export type HandoverState = { readonly last?: HandoverOutcome } & (
	| { readonly phase: "idle" }
	/** The successor runs and is not ready yet. */
	| { readonly phase: "starting"; readonly because: string; readonly lacks: string }
	/** Both serve. */
	| { readonly phase: "proving"; readonly because: string }
	/** The successor has the pod; the predecessor has connections of before. */
	| {
			readonly phase: "draining";
			readonly because: string;
			/** Open ones when the drain began; absent until they were counted. */
			readonly atFirst?: number;
			readonly open?: number;
			readonly responses?: number;
	  }
	/** What the predecessor still has is told to close, or is cut soon. */
	| { readonly phase: "ending"; readonly because: string }
	/** The successor is taken away again. */
	| { readonly phase: "abandoning"; readonly because: string }
);

export type HandoverEvent =
	| { readonly type: "requested"; readonly because: string }
	/** An earlier agent's handover had come so far. */
	| { readonly type: "adoptedStarting" | "adoptedDraining"; readonly because: string }
	| { readonly type: "successorStarted" }
	| { readonly type: "successorNotStarted" | "successorExited"; readonly because: string }
	| { readonly type: "probed"; readonly ready: boolean; readonly because: string }
	| { readonly type: "predecessorExited" }
	/** Of the predecessor; `responses` since it was started. Without figures it did not answer. */
	| { readonly type: "counted"; readonly connections?: Connections; readonly responses?: number }
	/** The pod leaves. */
	| { readonly type: "cancelled" }
	| { readonly type: "timerFired"; readonly timer: HandoverTimer };

export type HandoverAction =
	| {
			readonly type:
				| "startSuccessor"
				| "probe"
				/** From now on the successor is the pod's Envoy. */
				| "promote"
				/** Of the predecessor: no sign of life any more, no new connection. */
				| "retirePredecessor"
				| "count"
				/** All of the predecessor's connections, each with its next response. */
				| "closeAll"
				/** Its new connections go to the other one. */
				| "stopSuccessor";
	  }
	/** Each response closes its connection with this probability. */
	| { readonly type: "pace"; readonly pressure: number }
	| { readonly type: "signal"; readonly who: "successor" | "predecessor"; readonly signal: "SIGTERM" | "SIGKILL" }
	| { readonly type: "setTimer"; readonly timer: HandoverTimer; readonly afterMs: number }
	| { readonly type: "clearTimers" }
	| ({ readonly type: "report" } & HandoverOutcome);

export interface HandoverConfig {
	readonly probeMs: number;
	/** A successor that is not ready after so long is given up. */
	readonly startLimitMs: number;
	/** Ready in a row for so long before it gets everything. */
	readonly proveMs: number;
	readonly drainPollMs: number;
	/** Open connections of the predecessor that may be closed in a second, in percent of those at the beginning. */
	readonly closePercentPerSecond: number;
	/** What is still open after so long is cut. */
	readonly drainLimitMs: number;
	/** Before the cut: every response says that the connection closes. */
	readonly lastCallMs: number;
	/** From SIGTERM to SIGKILL. */
	readonly killAfterMs: number;
}

export const defaultHandoverConfig: HandoverConfig = {
	probeMs: 50,
	startLimitMs: 60_000,
	proveMs: 1_000,
	drainPollMs: 500,
	closePercentPerSecond: 10,
	drainLimitMs: 300_000,
	lastCallMs: 2_000,
	killAfterMs: 5_000,
};

export const noHandover: HandoverState = { phase: "idle" };

export interface HandoverStepped {
	readonly state: HandoverState;
	readonly actions: readonly HandoverAction[];
}

export function step(config: HandoverConfig, state: HandoverState, event: HandoverEvent): HandoverStepped {
	const stay = (...actions: readonly HandoverAction[]): HandoverStepped => ({ state, actions });
	switch (event.type) {
		case "requested":
			if (state.phase !== "idle") return stay();
			return {
				state: { ...state, phase: "starting", because: event.because, lacks: "Envoy was not asked yet" },
				actions: [{ type: "startSuccessor" }, timer("startLimit", config.startLimitMs)],
			};
		case "adoptedStarting":
			if (state.phase !== "idle") return stay();
			return {
				state: { phase: "starting", because: event.because, lacks: "Envoy was not asked yet" },
				actions: [{ type: "probe" }, timer("startLimit", config.startLimitMs)],
			};
		case "adoptedDraining":
			return state.phase === "idle" ? drain(config, state, event.because) : stay();
		case "successorStarted":
			return state.phase === "starting" ? stay({ type: "probe" }) : stay();
		case "successorNotStarted":
			return state.phase === "starting" ? failed(event.because) : stay();
		case "successorExited":
			if (state.phase === "abandoning") return failed(state.because);
			return isBefore(state) ? failed(`the new Envoy ${event.because}`) : stay();
		case "probed":
			return onProbe(config, state, event);
		case "predecessorExited":
			return onPredecessorExit(config, state);
		case "counted":
			return onCount(config, state, event);
		case "cancelled":
			if (isBefore(state)) return abandon(config, state, "the pod leaves");
			return state.phase === "draining" ? lastCall(config, state, config.lastCallMs) : stay();
		case "timerFired":
			return onTimer(config, state, event.timer);
		default:
			return event satisfies never;
	}
}

function onProbe(
	config: HandoverConfig,
	state: HandoverState,
	{ ready, because }: { readonly ready: boolean; readonly because: string },
): HandoverStepped {
	const again = timer("probe", config.probeMs);
	if (state.phase === "starting") {
		if (!ready) return { state: { ...state, lacks: because }, actions: [again] };
		const { lacks: _, ...rest } = state;
		return { state: { ...rest, phase: "proving" }, actions: [timer("proved", config.proveMs), again] };
	}
	if (state.phase !== "proving") return { state, actions: [] };
	return ready
		? { state, actions: [again] }
		: abandon(config, state, `the new Envoy is not ready any more: ${because}`);
}

function onPredecessorExit(config: HandoverConfig, state: HandoverState): HandoverStepped {
	switch (state.phase) {
		case "starting":
			// The pod needs an Envoy at once, and gets one as after any crash.
			return abandon(config, state, "the Envoy that it was to take over from has ended");
		case "proving":
			return finished(state.because, { type: "promote" });
		case "draining":
		case "ending":
			return finished(state.because);
		case "idle":
		case "abandoning":
			return { state, actions: [] };
		default:
			return state satisfies never;
	}
}

function onCount(
	config: HandoverConfig,
	state: HandoverState,
	{ connections, responses }: { readonly connections?: Connections; readonly responses?: number },
): HandoverStepped {
	if (state.phase !== "draining") return { state, actions: [] };
	const again = timer("drainPoll", config.drainPollMs);
	if (!connections) return { state, actions: [again] };
	const open = connections.inbound + connections.outbound;
	if (open === 0) return lastCall(config, state, 0);
	const atFirst = state.atFirst ?? open;
	const pressure = closingPressure({
		open,
		mayClose: (atFirst * config.closePercentPerSecond * config.drainPollMs) / 100_000,
		responses: responses === undefined || state.responses === undefined ? undefined : responses - state.responses,
	});
	return {
		state: { ...state, atFirst, open, ...(responses === undefined ? {} : { responses }) },
		actions: [{ type: "pace", pressure }, again],
	};
}

function onTimer(config: HandoverConfig, state: HandoverState, fired: HandoverTimer): HandoverStepped {
	const stay: HandoverStepped = { state, actions: [] };
	switch (fired) {
		case "probe":
			return isBefore(state) ? { state, actions: [{ type: "probe" }] } : stay;
		case "startLimit": {
			if (state.phase !== "starting") return stay;
			const because = `the new Envoy was not ready within ${config.startLimitMs} ms: ${state.lacks}`;
			return abandon(config, state, because);
		}
		case "proved":
			if (state.phase !== "proving") return stay;
			return drain(config, state, state.because, { type: "promote" });
		case "drainPoll":
			return state.phase === "draining" ? { state, actions: [{ type: "count" }] } : stay;
		case "drainLimit":
			if (state.phase === "draining") return lastCall(config, state, config.lastCallMs);
			if (state.phase === "ending")
				return {
					state,
					actions: [{ type: "signal", who: "predecessor", signal: "SIGTERM" }, timer("kill", config.killAfterMs)],
				};
			if (state.phase !== "abandoning") return stay;
			return {
				state,
				actions: [{ type: "signal", who: "successor", signal: "SIGTERM" }, timer("kill", config.killAfterMs)],
			};
		case "kill": {
			const who = state.phase === "abandoning" ? "successor" : "predecessor";
			if (state.phase !== "abandoning" && state.phase !== "ending") return stay;
			return { state, actions: [{ type: "signal", who, signal: "SIGKILL" }] };
		}
		default:
			return fired satisfies never;
	}
}

function drain(
	config: HandoverConfig,
	state: HandoverState,
	because: string,
	...first: readonly HandoverAction[]
): HandoverStepped {
	return {
		state: { phase: "draining", because, ...lastOf(state) },
		actions: [
			{ type: "clearTimers" },
			...first,
			{ type: "retirePredecessor" },
			timer("drainPoll", config.drainPollMs),
			timer("drainLimit", config.drainLimitMs),
		],
	};
}

function lastCall(config: HandoverConfig, state: HandoverState, afterMs: number): HandoverStepped {
	const because = state.phase === "idle" ? "" : state.because;
	return {
		state: { phase: "ending", because, ...lastOf(state) },
		actions: [{ type: "clearTimers" }, { type: "closeAll" }, timer("drainLimit", Math.max(afterMs, config.probeMs))],
	};
}

/** Connections that the successor has got meanwhile may end before it does. */
function abandon(config: HandoverConfig, state: HandoverState, because: string): HandoverStepped {
	return {
		state: { phase: "abandoning", because, ...lastOf(state) },
		actions: [{ type: "clearTimers" }, { type: "stopSuccessor" }, timer("drainLimit", config.lastCallMs)],
	};
}

function failed(because: string): HandoverStepped {
	const last: HandoverOutcome = { ok: false, because };
	return { state: { phase: "idle", last }, actions: [{ type: "clearTimers" }, { type: "report", ...last }] };
}

function finished(because: string, ...first: readonly HandoverAction[]): HandoverStepped {
	const last: HandoverOutcome = { ok: true, because };
	return {
		state: { phase: "idle", last },
		actions: [{ type: "clearTimers" }, ...first, { type: "report", ...last }],
	};
}

/** The predecessor still has the pod. */
function isBefore(state: HandoverState): state is Extract<HandoverState, { phase: "starting" | "proving" }> {
	return state.phase === "starting" || state.phase === "proving";
}

const timer = (name: HandoverTimer, afterMs: number): HandoverAction => ({ type: "setTimer", timer: name, afterMs });
const lastOf = ({ last }: HandoverState): { readonly last?: HandoverOutcome } => (last ? { last } : {});
