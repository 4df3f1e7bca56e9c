// What the hot-switch knows of one pod, what may happen to it, and what it asks for. All times are `atMs` of one monotonic
// clock, which the caller gives with each event.

import type { PathState } from "./path-state.ts";
import { closedPath } from "./path-state.ts";
import type { ServingStep } from "./serving-step.ts";

/** Why the pod's connections go where they go; a label of metrics. */
export type SwitchCause =
	| "new"
	| "adopted"
	| "ready"
	| "proved"
	| "exited"
	/** The kernel had no memory left for it. */
	| "outOfMemory"
	| "silent"
	| "heardAgain"
	| "hung"
	| "unready"
	/** A worker thread has stopped, and what it holds waits. */
	| "stuck"
	| "flapping"
	| "spareUp"
	| "spareDown"
	| "bypass"
	| "bypassOver"
	| "restored"
	| "directLimit"
	| "policy";

export type SwitchTimer = "proved" | "hang" | "bypassEnd" | "directEnd" | "patienceEnd";

/** Connections kept off the sidecar because someone asked for it. */
export interface Bypass {
	readonly by: string;
	readonly why: string;
	readonly atMs: number;
	/** Absent: until it is restored. */
	readonly untilMs?: number;
}

/** The kernel bears with a late sidecar rather than let connections pass it by. */
export interface Patience {
	/** Absent: until another agent has come. */
	readonly untilMs?: number;
}

export interface SwitchState {
	readonly servingStep: ServingStep;
	readonly sinceMs: number;
	readonly cause: SwitchCause;
	readonly because: string;
	/** As it was last told to the kernel. */
	readonly path: PathState;
	readonly running: boolean;
	readonly ready: boolean;
	/** `unknown`: this process has not been heard yet. */
	readonly lease: "unknown" | "held" | "lost";
	/** When the lease was lost, or the hung process was last killed. */
	readonly silentSinceMs: number;
	/** Silent for `hangMs`: not even the last resort any more. */
	readonly hung: boolean;
	/** It may have connections; kept up also during a bypass. */
	readonly proved: boolean;
	/** This process has had connections, so flows of it may be left in the kernel. */
	readonly hadConnections: boolean;
	/** A sidecar of this pod was ready once. */
	readonly begun: boolean;
	/** Ready and heard of without a break since then. */
	readonly goodSinceMs?: number;
	readonly proveForMs: number;
	/** Within `flapWindowMs`. */
	readonly failuresAtMs: readonly number[];
	readonly spareUp: boolean;
	readonly bypass?: Bypass;
	/** Nobody watches, or the agent has only just begun to. */
	readonly patience?: Patience;
	/** Direct by itself since then: not for a bypass. */
	readonly directFromMs?: number;
	/** `direct` has lasted its limit: not again until something better has served. */
	readonly directSpent: boolean;
	readonly deadlines: Readonly<Partial<Record<SwitchTimer, number>>>;
}

/** What an earlier agent has left. Without anything: a process that runs and has its connections. */
export interface Adoption {
	/** Default: true. */
	readonly isRunning?: boolean;
	/** As the kernel has it. Absent: its table is not there, or will be made anew. */
	readonly path?: PathState;
	/** As the earlier agent had it. */
	readonly kept?: KeptSwitch;
}

/** What outlives the agent, apart from what the kernel has. */
export type KeptSwitch = Pick<
	SwitchState,
	"servingStep" | "sinceMs" | "cause" | "because" | "begun" | "failuresAtMs" | "bypass" | "directSpent"
>;

export type SwitchEvent = { readonly atMs: number } & (
	| { readonly type: "processStarted" | "ready" | "leaseLost" | "spareUp" | "policyChanged" | "agentLeaves" }
	/** `starved`: it was silent because it got no processor, which is no failure of its own. */
	| { readonly type: "leaseSeen"; readonly starved?: boolean }
	/** The silent process would run, but gets no processor: it does not hang. */
	| { readonly type: "starved" }
	| ({ readonly type: "adopted" } & Adoption)
	| { readonly type: "processExited"; readonly cause?: "outOfMemory"; readonly because: string }
	| { readonly type: "unready"; readonly cause?: "stuck"; readonly because: string }
	| { readonly type: "spareDown"; readonly because: string }
	/** What keeps the sidecar from becoming ready, as a listener that Envoy refuses. Where it goes does not change. */
	| { readonly type: "startHeld"; readonly because: string }
	| { readonly type: "bypassRequested"; readonly by: string; readonly why: string; readonly forMs?: number }
	| { readonly type: "restoreRequested"; readonly by: string }
	| { readonly type: "timerFired"; readonly timer: SwitchTimer }
);

export type SwitchAction =
	| { readonly type: "setPath"; readonly path: PathState }
	/** SIGKILL: it would not answer anything else. */
	| { readonly type: "killProcess" }
	/** Conntrack entries of connections to the process that has gone. */
	| { readonly type: "forgetFlows" }
	| { readonly type: "setTimer"; readonly timer: SwitchTimer; readonly afterMs: number }
	| { readonly type: "clearTimer"; readonly timer: SwitchTimer }
	| { readonly type: "refuseBypass"; readonly because: string }
	| {
			readonly type: "report";
			readonly from: ServingStep;
			readonly to: ServingStep;
			readonly cause: SwitchCause;
			readonly because: string;
			readonly atMs: number;
	  };

/** A pod without a proxy: closed. */
export const newSwitch: SwitchState = {
	servingStep: "closed",
	sinceMs: 0,
	cause: "new",
	because: "no sidecar has been ready yet",
	path: closedPath,
	running: false,
	ready: false,
	lease: "unknown",
	silentSinceMs: 0,
	hung: false,
	proved: false,
	hadConnections: false,
	begun: false,
	proveForMs: 0,
	failuresAtMs: [],
	spareUp: false,
	directSpent: false,
	deadlines: {},
};

export function keptSwitch(state: KeptSwitch): KeptSwitch {
	const { servingStep, sinceMs, cause, because, begun, failuresAtMs, bypass, directSpent } = state;
	return { servingStep, sinceMs, cause, because, begun, failuresAtMs, directSpent, ...(bypass ? { bypass } : {}) };
}
