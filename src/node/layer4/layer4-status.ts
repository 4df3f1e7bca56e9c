// What a node says of its layer 4: JSON of `GET /layer4` on the agent's socket.

import type { Balancer } from "../../l4/balancer.ts";
import type { Layer4Service } from "../../l4/layer4-service.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";

export interface Layer4Status {
	readonly node: NodeFacts;
	/** What Services without an annotation get. */
	readonly backend: "nftables" | "ipvs";
	/** `waiting`: no Service is known yet. `failed`: the kernel refuses rules; the last good ones stay. */
	readonly state: "waiting" | "inForce" | "failed";
	/** Sorted by namespace and name. */
	readonly services: readonly ServiceStatus[];
	readonly problems: readonly RulesProblem[];
	/** The newest first, a few of them. */
	readonly applied: readonly AppliedRules[];
}

export interface ServiceStatus {
	readonly service: Layer4Service;
	readonly backend: "nftables" | "ipvs";
	/** What this node does with connections to each of its addresses and node ports. */
	readonly balancers: readonly Balancer[];
}

export interface RulesProblem {
	/** A Service as NAMESPACE/NAME, or the part that is concerned: `rules`, `ipvs`, `health check port 31000`. */
	readonly about: string;
	readonly because: string;
}

export type AppliedRules = {
	/** Milliseconds since the epoch. */
	readonly atMs: number;
	/** `change`: only what changed; all others build everything anew. */
	readonly reason: "change" | "first" | "afterFailure" | "retry" | "foreignChange";
	readonly changes: number;
} & (
	| { readonly ok: true; readonly bytes: number; readonly tookMs: number }
	| { readonly ok: false; readonly because: string }
);
