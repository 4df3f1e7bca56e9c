// GatewayView -> clusters: one for each service port and each subset that a gateway may name, and BlackHoleCluster.

import type { GatewayView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { type ClusterOptions, defaultClusterOptions } from "./cluster-options.ts";

export function generateGatewayClusters(
	_view: GatewayView,
	_options: ClusterOptions = defaultClusterOptions,
): readonly EncodedResource[] {
	return [];
}
