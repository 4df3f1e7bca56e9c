// OutboundView -> clusters: one for each service port and each subset, then PassthroughCluster and BlackHoleCluster.

import type { OutboundView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { type ClusterOptions, defaultClusterOptions } from "./cluster-options.ts";

export function generateOutboundClusters(
	_view: OutboundView,
	_options: ClusterOptions = defaultClusterOptions,
): readonly EncodedResource[] {
	return [];
}
