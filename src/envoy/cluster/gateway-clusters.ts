// GatewayView -> clusters: one for each service port and each subset that a gateway may name, and BlackHoleCluster. A gateway with
// an AUTO_PASSTHROUGH server gets them once more under the names that clients send as SNI. Sorted by name.

import type { GatewayView } from "../../model/view.ts";
import { compareText } from "../../resources/config-object.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { type ClusterOptions, withoutCertificate } from "./cluster-options.ts";
import { generateBlackHoleCluster } from "./passthrough-clusters.ts";
import { clustersOfServices } from "./remembered-clusters.ts";

export function generateGatewayClusters(
	view: GatewayView,
	options: ClusterOptions = withoutCertificate,
): readonly EncodedResource[] {
	return [
		...clustersOfServices(view.services, view.mesh, "gateway", options),
		...(passesBySni(view) ? clustersOfServices(view.services, view.mesh, "eastWest", options) : []),
		generateBlackHoleCluster(view.mesh),
	].sort((a, b) => compareText(a.name, b.name));
}

function passesBySni(view: GatewayView): boolean {
	return view.listeners.some(({ servers }) => servers.some(({ server }) => server.tls?.mode === "AUTO_PASSTHROUGH"));
}
