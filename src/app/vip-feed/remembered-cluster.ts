// What was last known of a cluster, on disk: a node that starts while no API server answers knows it still.

import { readFileSync } from "node:fs";
import type { ClusterState } from "../../kubernetes/vip/node-plan.ts";
import { writeFileAtomic } from "../../node/atomic-file.ts";

export interface RememberedCluster {
	readonly state: ClusterState;
	/** Keys of Secrets by NAMESPACE/NAME. The file is for root only. */
	readonly keys: Readonly<Record<string, string>>;
	/** The cluster's keepalived.conf. */
	readonly conf?: string;
}

/** Under the state directory. */
export const rememberedFileName = "cluster.json";

export const unknownCluster: RememberedCluster = {
	state: { nodes: [], services: [], endpoints: [], virtualIps: [], pools: [] },
	keys: {},
};

/** Nothing is known when the file is missing or no good. */
export function readRemembered(file: string): RememberedCluster {
	try {
		return JSON.parse(readFileSync(file, "utf8")) as RememberedCluster;
	} catch {
		return unknownCluster;
	}
}

export function remember(file: string, cluster: RememberedCluster): Promise<void> {
	return writeFileAtomic(file, JSON.stringify(cluster), 0o600, { isDurable: true });
}
