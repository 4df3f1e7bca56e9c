// The plan of every cluster of a set, with this checkout's paths.

import { clusterDirectory, cniPluginsDirectory, programsDirectory } from "./cluster-paths.ts";
import { type ControlPlanePlan, type NodePlan, planControlPlane, planNode } from "./plan/cluster-plan.ts";
import { type ClusterShape, planSet, type SetShape } from "./plan/cluster-shape.ts";
import type { SetRecord } from "./set-record.ts";

export interface PlannedCluster {
	readonly cluster: ClusterShape;
	readonly controlPlane: ControlPlanePlan;
	readonly nodes: readonly NodePlan[];
}

export interface PlannedSet {
	readonly shape: SetShape;
	readonly clusters: readonly PlannedCluster[];
}

export function planSetHere({
	size,
	options,
	hierarchies,
}: Pick<SetRecord, "size" | "options" | "hierarchies">): PlannedSet {
	const shape = planSet(size);
	const clusters = shape.clusters.map((cluster) => {
		const places = {
			directory: clusterDirectory(size.name, cluster),
			programs: programsDirectory,
			cniPlugins: cniPluginsDirectory(),
		};
		return {
			cluster,
			controlPlane: planControlPlane(cluster, hierarchies, places, options),
			nodes: cluster.nodes.map((node) => planNode(cluster, node, hierarchies, places, options)),
		};
	});
	return { shape, clusters };
}
