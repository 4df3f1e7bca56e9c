// How Envoy finds the endpoints of one service cluster: the type of the Cluster, and what belongs to it.

import type { ServiceView } from "../../model/view.ts";
import { durationFromMs, packAny } from "../encode-resource.ts";
import { dnsLoadAssignment } from "../endpoint/dns-load-assignment.ts";
import {
	Cluster_DiscoveryType,
	Cluster_DnsLookupFamily,
	Cluster_LbPolicy,
	type ClusterSchema,
} from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ApiVersion } from "../gen/envoy/config/core/v3/config_source_pb.ts";
import { DnsLookupFamily } from "../gen/envoy/extensions/clusters/common/dns/v3/dns_pb.ts";
import { DnsClusterSchema } from "../gen/envoy/extensions/clusters/dns/v3/dns_cluster_pb.ts";
import { ClusterConfigSchema } from "../gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import type { ServiceCluster } from "./service-clusters.ts";

type ClusterFields = MessageFields<typeof ClusterSchema>;

/** How often names are looked up again when DNS gives no TTL. */
const dnsRefreshRateMs = 60_000;

/** Undefined for a DNS service (or subset) without endpoints: Envoy would refuse the cluster. */
export function discoveryFields(view: ServiceView, cluster: ServiceCluster): ClusterFields | undefined {
	switch (cluster.discovery) {
		case "eds":
			return {
				clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
				edsClusterConfig: {
					serviceName: cluster.edsName ?? cluster.name,
					edsConfig: {
						configSourceSpecifier: { case: "ads", value: {} },
						initialFetchTimeout: durationFromMs(0),
						resourceApiVersion: ApiVersion.V3,
					},
				},
			};
		case "originalDestination":
			return {
				clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.ORIGINAL_DST },
				lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
				lbConfig: { case: undefined },
			};
		case "dns":
		case "dnsRoundRobin": {
			const loadAssignment = dnsLoadAssignment(view, cluster);
			return loadAssignment && { clusterDiscoveryType: dnsType(cluster.discovery), loadAssignment };
		}
		case "dynamicDns":
			return {
				clusterDiscoveryType: dynamicDnsType,
				lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
				lbConfig: { case: undefined },
			};
		default:
			return cluster.discovery satisfies never;
	}
}

/** STRICT_DNS, or LOGICAL_DNS where one address at a time is used. Envoy's old enumeration of types cannot say the TTL. */
function dnsType(discovery: "dns" | "dnsRoundRobin"): NonNullable<ClusterFields["clusterDiscoveryType"]> {
	return {
		case: "clusterType",
		value: {
			name: "envoy.cluster.dns",
			typedConfig: packAny(DnsClusterSchema, {
				dnsRefreshRate: durationFromMs(dnsRefreshRateMs),
				respectDnsTtl: true,
				dnsLookupFamily: DnsLookupFamily.V4_PREFERRED,
				allAddressesInSingleEndpoint: discovery === "dnsRoundRobin",
			}),
		},
	};
}

/** Each host name that clients ask for is resolved on its first use; all such clusters share one cache. */
const dynamicDnsType: NonNullable<ClusterFields["clusterDiscoveryType"]> = {
	case: "clusterType",
	value: {
		name: "envoy.clusters.dynamic_forward_proxy",
		typedConfig: packAny(ClusterConfigSchema, {
			clusterImplementationSpecifier: {
				case: "dnsCacheConfig",
				value: {
					name: "dynamic_forward_proxy_cache_config",
					dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
					dnsRefreshRate: durationFromMs(dnsRefreshRateMs),
				},
			},
			// A rule's tls may set a fixed SNI or skip checks; then the request's host decides neither.
			allowInsecureClusterOptions: true,
		}),
	},
};
