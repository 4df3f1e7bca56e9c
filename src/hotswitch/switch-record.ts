// One change of the way that a pod's new connections go, as it is kept and told: who, when, why.

import type { ServingStep } from "./serving-step.ts";

export interface SwitchRecord {
	/** `NODE/AGENT/NUMBER`: unique in the mesh, and in order for one agent. */
	readonly id: string;
	/** Milliseconds since the epoch, by the node's clock. */
	readonly atMs: number;
	readonly node: string;
	readonly namespace: string;
	readonly pod: string;
	readonly from: ServingStep;
	readonly to: ServingStep;
	/** One of SwitchCause, or one that only newer nodes know. */
	readonly cause: string;
	readonly because: string;
	/** Who asked for it; `keepmesh` for what it does by itself. */
	readonly by: string;
}
