// What a node tells every control plane of its pods: where their new connections go, whether the proxy is ready, and how its
// requests end. A report is the whole of a node: a pod that it leaves out is one of which nothing is said any more.

import type { ServingStep } from "./serving-step.ts";
import type { SwitchRecord } from "./switch-record.ts";

/** One message with one answer, over the control plane's xDS port; JSON both ways. */
export const servingReportPath = "/keepmesh.node.v1.Serving/Report";

/** Without a change: between two reports of a node. */
export const reportEveryMs = 3_000;
/** A node that has been silent for so long is one that has said nothing. */
export const reportLastsMs = 15_000;

export interface ServingReport {
	readonly node: string;
	/** When the agent that reports began, in milliseconds since the epoch: reports of an older one come too late. */
	readonly agentMs: number;
	/** Grows with each report of that agent. */
	readonly sequence: number;
	readonly pods: readonly PodReport[];
	/** Those that this control plane has not confirmed yet, oldest first. */
	readonly events: readonly SwitchRecord[];
}

export interface PodReport {
	/** As the proxy's own stream is called. */
	readonly proxyId: string;
	readonly namespace: string;
	readonly name: string;
	readonly serviceAccount: string;
	/** The proxy's own readiness, whoever serves. */
	readonly ready: boolean;
	/** Absent for what has no hot-switch. */
	readonly serving?: PodServing;
	/** That came to it from outside; for a gateway all. Absent while they cannot be read. */
	readonly requests?: RequestCounts;
	/** Of a sidecar: that its application sends. */
	readonly calls?: RequestCounts;
}

export interface PodServing {
	readonly step: ServingStep;
	/** Milliseconds since the epoch. */
	readonly sinceMs: number;
	/** One of SwitchCause, or one that only newer nodes know. */
	readonly cause: string;
	readonly because: string;
	readonly bypass?: { readonly by: string; readonly why: string; readonly untilMs?: number };
}

/** HTTP requests since the proxy's process began: a number that shrinks tells of a new one. */
export interface RequestCounts {
	readonly total: number;
	/** Answered with 5xx. */
	readonly serverErrors: number;
	/** When they were read, in milliseconds since the epoch. */
	readonly atMs: number;
}

export interface ServingReportAnswer {
	/** Of the control plane's process: another one has no events yet. */
	readonly instance: string;
	/** Pods that the node may not speak for, and why. */
	readonly refused: readonly { readonly proxyId: string; readonly because: string }[];
}
