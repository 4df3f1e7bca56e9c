// OutboundView -> clusters: one for each service port and each subset, then PassthroughCluster and BlackHoleCluster.
// Sorted by name.

import type { OutboundView } from "../../model/view.ts";
import { compareText } from "../../resources/config-object.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { type ClusterOptions, withoutCertificate } from "./cluster-options.ts";
import { generateBlackHoleCluster, generatePassthroughCluster } from "./passthrough-clusters.ts";
import { clustersOfServices } from "./remembered-clusters.ts";

export function generateOutboundClusters(
	view: OutboundView,
	options: ClusterOptions = withoutCertificate,
): readonly EncodedResource[] {
	return [
		...clustersOfServices(view.services, view.mesh, "sidecar", options),
		generatePassthroughCluster(view.mesh),
		generateBlackHoleCluster(view.mesh),
	].sort((a, b) => compareText(a.name, b.name));
}
