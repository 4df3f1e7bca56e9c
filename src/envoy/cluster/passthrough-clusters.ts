// Clusters that belong to no service: where the client meant to go, and nowhere.

import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { durationFromMs, encodeResource } from "../encode-resource.ts";
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import { blackHoleCluster, passthroughCluster } from "../names.ts";
import { circuitBreakers } from "./connection-pool.ts";
import { httpProtocolExtension, protocolOptions } from "./upstream-protocol.ts";

const passthroughIdleTimeoutMs = 300_000;

export function passthroughTo(mesh: MeshSettings, name: string): MessageFields<typeof ClusterSchema> {
	return {
		name,
		clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.ORIGINAL_DST },
		connectTimeout: durationFromMs(mesh.connectTimeoutMs),
		lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
		circuitBreakers: circuitBreakers(undefined, undefined),
		typedExtensionProtocolOptions: httpProtocolExtension({
			commonHttpProtocolOptions: { idleTimeout: durationFromMs(passthroughIdleTimeoutMs) },
			upstreamProtocolOptions: protocolOptions("downstream"),
		}),
	};
}

export function generatePassthroughCluster(mesh: MeshSettings): EncodedResource {
	return encodeResource(ClusterSchema, passthroughCluster, passthroughTo(mesh, passthroughCluster));
}

export function generateBlackHoleCluster(mesh: MeshSettings): EncodedResource {
	return encodeResource(ClusterSchema, blackHoleCluster, {
		name: blackHoleCluster,
		clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.STATIC },
		connectTimeout: durationFromMs(mesh.connectTimeoutMs),
		lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
	});
}
