// Where a drill on a cluster happens: its pods, the nodes that they may be on, and what Keepmesh has there.

import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import type { DrillPod, KubernetesDrillPods } from "./kubernetes-drill-pods.ts";

export interface DrillPlace {
	readonly client: KubernetesClient;
	readonly pods: KubernetesDrillPods;
	/** One or two; the first is where what breaks is. Nothing else is broken than what is on them. */
	readonly nodes: readonly string[];
	/** Namespace of Keepmesh itself. */
	readonly systemNamespace: string;
	/** The virtual IP to drill; absent: one of their own, of a pool. */
	readonly address?: string;
	/** Drills of virtual IPs may move addresses that are not their own. */
	readonly moveOthers?: boolean;
	/** Each way, or of all; absent: as the load has it. */
	readonly ratePerSecond?: number;
	/** For each thing that is waited for. */
	readonly limitMs: number;
}

/** Of the drill's first node. */
export function firstNodePeer({ nodes: [node = ""], pods }: DrillPlace): Promise<DrillPod> {
	return pods.onNode(node);
}

/** The other node; the first where there is no other. */
export function otherNode({ nodes }: DrillPlace): string {
	return nodes[1] ?? nodes[0] ?? "";
}
