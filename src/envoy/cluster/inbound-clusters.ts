// InboundView -> clusters that lead to the application itself, and InboundPassthroughCluster.

import type { InboundView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";

export function generateInboundClusters(_view: InboundView): readonly EncodedResource[] {
	return [];
}
