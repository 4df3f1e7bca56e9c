// GatewayView -> clusters: one for each service port and each subset that a gateway may name, and BlackHoleCluster.
// Sorted by name.

import type { GatewayView } from "../../model/view.ts";
import { compareText } from "../../resources/config-object.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { type ClusterOptions, defaultClusterOptions } from "./cluster-options.ts";
import { generateBlackHoleCluster } from "./passthrough-clusters.ts";
import { clustersOfServices } from "./remembered-clusters.ts";

export function generateGatewayClusters(
	view: GatewayView,
	options: ClusterOptions = defaultClusterOptions,
): readonly EncodedResource[] {
	return [
		...clustersOfServices(view.services, view.mesh, "gateway", options),
		generateBlackHoleCluster(view.mesh),
	].sort((a, b) => compareText(a.name, b.name));
}
