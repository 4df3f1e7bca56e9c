// One change of the way that a pod's new connections go, as it is kept and told: who, when, why.

import type { ServingStep } from "./serving-step.ts";
import type { SwitchCause } from "./switch-state.ts";

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
	readonly cause: SwitchCause;
	readonly because: string;
	/** Who asked for it; `keepmesh` for what it does by itself. */
	readonly by: string;
}
