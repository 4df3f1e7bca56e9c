// Clusters with weights -> the network filter that forwards bytes to them.

import { create } from "@bufbuild/protobuf";
import type { MeshSettings } from "../../model/mesh-settings.ts";
import { durationFromMs, packAny } from "../encode-resource.ts";
import { type Filter, FilterSchema } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import { TcpProxySchema } from "../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { accessLogs } from "./access-log.ts";

export interface WeightedCluster {
	readonly name: string;
	readonly weight: number;
}

export interface TcpProxyOptions {
	/** One or more; weights matter only among several. Those of weight 0 get nothing. */
	readonly clusters: readonly WeightedCluster[];
	/** Default: the cluster's name. */
	readonly statPrefix?: string;
	/** Closes a connection that is idle this long; 0 never. Default: Envoy's hour. */
	readonly idleTimeoutMs?: number;
	readonly maxConnectionDurationMs?: number;
	/** Same client address, same endpoint (consistentHash.useSourceIp). */
	readonly hashSourceIp?: boolean;
}

export function tcpProxy(mesh: MeshSettings, options: TcpProxyOptions): Filter {
	const weighted = options.clusters.filter((cluster) => cluster.weight > 0);
	const first = weighted[0] ?? options.clusters[0];
	if (!first) throw new Error("a TCP proxy without a cluster");
	return create(FilterSchema, {
		name: "envoy.filters.network.tcp_proxy",
		configType: {
			case: "typedConfig",
			value: packAny(TcpProxySchema, {
				statPrefix: options.statPrefix ?? first.name,
				clusterSpecifier:
					weighted.length > 1
						? { case: "weightedClusters", value: { clusters: weighted } }
						: { case: "cluster", value: first.name },
				accessLog: accessLogs(mesh),
				...(options.idleTimeoutMs !== undefined && { idleTimeout: durationFromMs(options.idleTimeoutMs) }),
				...(options.maxConnectionDurationMs !== undefined && {
					maxDownstreamConnectionDuration: durationFromMs(options.maxConnectionDurationMs),
				}),
				...(options.hashSourceIp === true && {
					hashPolicy: [{ policySpecifier: { case: "sourceIp", value: {} } }],
				}),
			}),
		},
	});
}
