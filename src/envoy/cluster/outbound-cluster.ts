// One ServiceCluster -> one Envoy Cluster.

import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { Protocol } from "../../model/service.ts";
import type { ServiceView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { durationFromText } from "../duration.ts";
import { durationFromMs, encodeResource, packAny } from "../encode-resource.ts";
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ApiVersion } from "../gen/envoy/config/core/v3/config_source_pb.ts";
import type { ClusterLoadAssignmentSchema } from "../gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { DnsLookupFamily } from "../gen/envoy/extensions/clusters/common/dns/v3/dns_pb.ts";
import { DnsClusterSchema } from "../gen/envoy/extensions/clusters/dns/v3/dns_cluster_pb.ts";
import { configPath, istioMetadata, serviceMetadata } from "../istio-metadata.ts";
import type { MessageFields } from "../message-fields.ts";
import { meshSni } from "../names.ts";
import { autoMtlsMatches, type ClientTlsContext, securedConnection, withProxyProtocol } from "./client-tls.ts";
import type { ClusterOptions } from "./cluster-options.ts";
import { circuitBreakers, keepalive } from "./connection-pool.ts";
import { commonLbConfig, loadBalancerFields } from "./load-balancer.ts";
import { localityPolicy } from "./locality-setting.ts";
import { outlierDetection } from "./outlier-detection.ts";
import type { ProxyRole, ServiceCluster } from "./service-clusters.ts";
import { httpProtocolOptions, upstreamProtocol } from "./upstream-protocol.ts";

export type ClusterInit = MessageFields<typeof ClusterSchema>;
export type LoadAssignmentInit = MessageFields<typeof ClusterLoadAssignmentSchema>;

/** How often names are looked up again when DNS gives no TTL. */
const dnsRefreshRateMs = 60_000;

export interface OutboundClusterContext {
	readonly mesh: MeshSettings;
	readonly role: ProxyRole;
	readonly options: ClusterOptions;
	/** Endpoints of DNS clusters; undefined when there are none, and then there is no cluster. */
	readonly dnsEndpoints: (view: ServiceView, cluster: ServiceCluster) => LoadAssignmentInit | undefined;
}

/** Undefined for a DNS service (or subset) without endpoints: Envoy would refuse the cluster. */
export function outboundCluster(
	view: ServiceView,
	cluster: ServiceCluster,
	context: OutboundClusterContext,
): EncodedResource | undefined {
	const discovery = discoveryFields(view, cluster, context);
	if (discovery === undefined) return undefined;
	const { service } = view;
	const { policy, port } = cluster;
	const pool = policy?.connectionPool;
	const protocol = upstreamProtocol(port.protocol, pool, context.role === "sidecar");
	const tlsContext: ClientTlsContext = {
		meshSni: meshSni(port.number, cluster.subset?.name ?? "", service.hostname),
		serviceNames: service.subjectAltNames,
		protocol,
		speaksHttp: isHttp(port.protocol),
	};
	const secured = securedConnection(policy?.tls, tlsContext);
	const auto =
		context.options.autoMtls &&
		policy?.tls === undefined &&
		!service.meshExternal &&
		cluster.discovery !== "originalDestination";
	const proxyProtocol = policy?.proxyProtocol && !auto ? (policy.proxyProtocol.version ?? "V1") : undefined;
	const transportSocket = proxyProtocol ? withProxyProtocol(proxyProtocol, secured?.socket) : secured?.socket;
	return encodeResource(ClusterSchema, cluster.name, {
		name: cluster.name,
		connectTimeout: durationFromText(pool?.tcp?.connectTimeout) ?? durationFromMs(context.mesh.connectTimeoutMs),
		...loadBalancerFields(policy?.loadBalancer),
		commonLbConfig: commonLbConfig(policy?.outlierDetection, localityPolicy(service, policy, context.mesh.localityLb)),
		circuitBreakers: circuitBreakers(pool, policy?.retryBudget),
		upstreamConnectionOptions: keepalive(pool),
		outlierDetection: outlierDetection(policy?.outlierDetection),
		typedExtensionProtocolOptions: httpProtocolOptions({ protocol, pool, ...secured }),
		transportSocket,
		...(auto && { transportSocketMatches: [...autoMtlsMatches(tlsContext)] }),
		metadata: metadataOf(view, cluster),
		...discovery,
	});
}

function discoveryFields(
	view: ServiceView,
	cluster: ServiceCluster,
	context: OutboundClusterContext,
): ClusterInit | undefined {
	switch (cluster.discovery) {
		case "eds":
			return {
				clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
				edsClusterConfig: {
					serviceName: cluster.name,
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
			const loadAssignment = context.dnsEndpoints(view, cluster);
			return loadAssignment && { clusterDiscoveryType: dnsType(cluster.discovery), loadAssignment };
		}
		case "dynamicDns":
			return undefined;
		default:
			return cluster.discovery satisfies never;
	}
}

/** STRICT_DNS, or LOGICAL_DNS where one address at a time is used. Envoy's old enumeration of types cannot say the TTL. */
function dnsType(discovery: "dns" | "dnsRoundRobin"): NonNullable<ClusterInit["clusterDiscoveryType"]> {
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

function metadataOf(view: ServiceView, cluster: ServiceCluster): ClusterInit["metadata"] {
	const source = view.destination?.sources[0];
	return istioMetadata({
		services: [serviceMetadata(view.service)],
		default_original_port: cluster.port.number,
		...(source !== undefined && { config: configPath(source) }),
		...(cluster.subset && { subset: cluster.subset.name }),
		...(view.service.meshExternal && { external: true }),
	});
}

function isHttp(protocol: Protocol): boolean {
	return protocol === "HTTP" || protocol === "HTTP2" || protocol === "GRPC" || protocol === "GRPC-WEB";
}
