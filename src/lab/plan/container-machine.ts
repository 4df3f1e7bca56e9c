// One container of a pod: started, probed, restarted with a growing pause, stopped. In: what happened to the process and
// what its probes said. Out: what to do. https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-probes

export type ProbeName = "startup" | "liveness" | "readiness";

export interface ProbeThresholds {
	readonly success: number;
	readonly failure: number;
	/** What running out of failures means: `pass` for the lab's own wait until a port is listened on. Default `kill`. */
	readonly onFailure?: "kill" | "pass";
}

export interface ContainerConfig {
	readonly probes: Readonly<Partial<Record<ProbeName, ProbeThresholds>>>;
	/** Pause before the second restart in a row; the first is at once, each further one doubles it. Default 1000 ms. */
	readonly backOffMs: number;
	/** Default 30,000 ms. */
	readonly maxBackOffMs: number;
	/** A run at least this long makes the next restart the first again. Default 60,000 ms. */
	readonly steadyMs: number;
}

export const defaultBackOff = { backOffMs: 1000, maxBackOffMs: 30_000, steadyMs: 60_000 } as const;

interface Counts {
	readonly successes: number;
	readonly failures: number;
}

export interface ContainerState {
	readonly phase: "waiting" | "running" | "backOff" | "stopping" | "stopped";
	/** The startup probe passed, or there is none: liveness and readiness count from here. */
	readonly started: boolean;
	readonly ready: boolean;
	readonly restarts: number;
	/** Ends in a row, each soon after its start. */
	readonly crashes: number;
	readonly startedMs: number;
	readonly counts: Readonly<Partial<Record<ProbeName, Counts>>>;
	/** Why it is not running or not ready. */
	readonly because: string;
}

export const newContainer: ContainerState = {
	phase: "waiting",
	started: false,
	ready: false,
	restarts: 0,
	crashes: 0,
	startedMs: 0,
	counts: {},
	because: "ContainerCreating",
};

export type ContainerEvent =
	| { readonly type: "processStarted"; readonly atMs: number }
	| { readonly type: "processEnded"; readonly atMs: number; readonly because: string }
	| { readonly type: "probed"; readonly probe: ProbeName; readonly ok: boolean; readonly message: string }
	| { readonly type: "pauseOver" }
	| { readonly type: "stopRequested" };

export type ContainerAction =
	| { readonly type: "startProcess" }
	| { readonly type: "pause"; readonly ms: number }
	| { readonly type: "killProcess"; readonly because: string };

interface Stepped {
	readonly state: ContainerState;
	readonly actions: readonly ContainerAction[];
}

const stay = (state: ContainerState): Stepped => ({ state, actions: [] });

export function step(config: ContainerConfig, state: ContainerState, event: ContainerEvent): Stepped {
	switch (event.type) {
		case "processStarted": {
			if (state.phase === "stopping" || state.phase === "stopped") return stay(state);
			const started = config.probes.startup === undefined;
			const ready = started && config.probes.readiness === undefined;
			const because = ready ? "" : "not ready yet";
			return stay({ ...state, phase: "running", started, ready, startedMs: event.atMs, counts: {}, because });
		}
		case "processEnded":
			return ended(config, state, event.atMs, event.because);
		case "probed":
			return state.phase === "running" ? probed(config, state, event) : stay(state);
		case "pauseOver":
			return state.phase === "backOff" ? { state, actions: [{ type: "startProcess" }] } : stay(state);
		case "stopRequested": {
			const next = state.phase === "running" || state.phase === "stopping" ? "stopping" : "stopped";
			return stay({ ...state, phase: next, ready: false, because: "Terminating" });
		}
		default:
			return event satisfies never;
	}
}

function ended(config: ContainerConfig, state: ContainerState, atMs: number, because: string): Stepped {
	if (state.phase === "stopping" || state.phase === "stopped") return stay({ ...state, phase: "stopped" });
	const steady = state.phase === "running" && atMs - state.startedMs >= config.steadyMs;
	const crashes = steady ? 1 : state.crashes + 1;
	const ms = crashes === 1 ? 0 : Math.min(config.maxBackOffMs, config.backOffMs * 2 ** (crashes - 2));
	const shown = crashes === 1 ? because : `CrashLoopBackOff: ${because}; next start after ${ms / 1000} s`;
	return {
		state: {
			...state,
			phase: "backOff",
			started: false,
			ready: false,
			restarts: state.restarts + 1,
			crashes,
			counts: {},
			because: shown,
		},
		actions: [{ type: "pause", ms }],
	};
}

function probed(
	config: ContainerConfig,
	state: ContainerState,
	event: Extract<ContainerEvent, { type: "probed" }>,
): Stepped {
	const thresholds = config.probes[event.probe];
	if (!thresholds || (event.probe === "startup") === state.started) return stay(state);
	const before = state.counts[event.probe] ?? { successes: 0, failures: 0 };
	const now = event.ok
		? { successes: before.successes + 1, failures: 0 }
		: { successes: 0, failures: before.failures + 1 };
	const next = { ...state, counts: { ...state.counts, [event.probe]: now } };
	const passed = event.ok && now.successes >= thresholds.success;
	const failed = !event.ok && now.failures >= thresholds.failure;
	switch (event.probe) {
		case "startup":
			if (passed || (failed && thresholds.onFailure === "pass")) {
				const ready = config.probes.readiness === undefined;
				return stay({ ...next, started: true, ready, because: ready ? "" : "not ready yet" });
			}
			return failed ? killed(next, `startup probe failed: ${event.message}`) : stay(next);
		case "liveness":
			return failed ? killed(next, `liveness probe failed: ${event.message}`) : stay(next);
		case "readiness":
			if (passed) return stay({ ...next, ready: true, because: "" });
			if (failed) return stay({ ...next, ready: false, because: `readiness probe failed: ${event.message}` });
			return stay(next);
		default:
			return event.probe satisfies never;
	}
}

function killed(state: ContainerState, because: string): Stepped {
	return { state: { ...state, ready: false, because, counts: {} }, actions: [{ type: "killProcess", because }] };
}
