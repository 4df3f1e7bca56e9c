// Services -> clusters that a gRPC library understands: endpoints by EDS, round robin or ring hash. What such a library
// would refuse (TLS from SDS, least request, DNS by itself) is left out.

import type { ServiceView } from "../../model/view.ts";
import { compareText } from "../../resources/config-object.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { adsSource } from "../ads-source.ts";
import { outlierDetection } from "../cluster/outlier-detection.ts";
import { type ServiceCluster, serviceClusters } from "../cluster/service-clusters.ts";
import { encodeResource } from "../encode-resource.ts";
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";

/** Sorted by name. */
export function generateProxylessClusters(services: readonly ServiceView[]): readonly EncodedResource[] {
	return services
		.flatMap((view) => edsClusters(view).map(proxylessCluster))
		.sort((a, b) => compareText(a.name, b.name));
}

/** Headless services too: a library asks for their endpoints instead of following a redirect. */
export function edsClusters(view: ServiceView): readonly ServiceCluster[] {
	return serviceClusters(view, "gateway").filter((cluster) => cluster.discovery === "eds");
}

function proxylessCluster({ name, policy }: ServiceCluster): EncodedResource {
	const maxRequests = policy?.connectionPool?.http?.http2MaxRequests;
	const detection = outlierDetection(policy?.outlierDetection);
	return encodeResource(ClusterSchema, name, {
		name,
		clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
		edsClusterConfig: { serviceName: name, edsConfig: adsSource },
		lbPolicy: policy?.loadBalancer?.consistentHash ? Cluster_LbPolicy.RING_HASH : Cluster_LbPolicy.ROUND_ROBIN,
		...(maxRequests !== undefined && maxRequests > 0 && { circuitBreakers: { thresholds: [{ maxRequests }] } }),
		...(detection && { outlierDetection: detection }),
	});
}
