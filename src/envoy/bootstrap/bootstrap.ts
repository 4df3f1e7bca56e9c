// Who the proxy is and where its control plane answers -> the start configuration of an Envoy, as an object that
// JSON.stringify makes a valid bootstrap of. Ports and cluster names are Istio's.

import type { Locality } from "../../model/endpoint.ts";
import { reconnectMs } from "../reconnect-back-off.ts";
import { workloadSecretCluster } from "../workload-secret-source.ts";
import { bootstrapAddress, httpListener, type SocketPlace, staticCluster } from "./static-resources.ts";
import { type StatsInclusion, statsConfig } from "./stats-config.ts";

export interface BootstrapOptions {
	readonly node: {
		/** `sidecar~IP~POD.NS~NS.svc.cluster.local` */
		readonly id: string;
		/** `APP.NAMESPACE` */
		readonly cluster: string;
		readonly metadata: Readonly<Record<string, unknown>>;
		readonly locality: Locality;
	};
	/** The relay of the node, or a control plane in plaintext on loopback. */
	readonly xds: SocketPlace;
	/** Where the workload's own certificate comes from. Default: where `xds` is. */
	readonly sds?: SocketPlace;
	/** Default 127.0.0.1:15000. Never an address that others reach: it can stop the proxy. */
	readonly admin?: SocketPlace;
	/** Prometheus figures at /stats/prometheus. Default 0.0.0.0:15090; null for none. */
	readonly stats?: SocketPlace | null;
	/** Readiness at /healthz/ready. Default 0.0.0.0:15021; null for none. */
	readonly readiness?: SocketPlace | null;
	/** The agent's own HTTP server (merged metrics), as cluster `agent`. Default 127.0.0.1:15020. */
	readonly agent?: SocketPlace;
	/** Resolvers for clusters that are found by DNS. Default: those of the machine's resolv.conf. */
	readonly resolvers?: readonly { readonly host: string; readonly port: number }[];
	readonly statsInclusion?: StatsInclusion;
	/** Connections that the proxy accepts at most. Default: no limit of its own. */
	readonly maxDownstreamConnections?: number;
}

const defaultAdmin: SocketPlace = { host: "127.0.0.1", port: 15_000 };
const defaultStats: SocketPlace = { host: "0.0.0.0", port: 15_090 };
const defaultReadiness: SocketPlace = { host: "0.0.0.0", port: 15_021 };
const defaultAgent: SocketPlace = { host: "127.0.0.1", port: 15_020 };

export function generateBootstrap(options: BootstrapOptions): object {
	const { node } = options;
	const admin = options.admin ?? defaultAdmin;
	const stats = options.stats === undefined ? defaultStats : options.stats;
	const readiness = options.readiness === undefined ? defaultReadiness : options.readiness;
	return {
		node: {
			id: node.id,
			cluster: node.cluster,
			locality: { region: node.locality.region, zone: node.locality.zone, sub_zone: node.locality.subzone },
			metadata: node.metadata,
		},
		admin: { address: bootstrapAddress(admin), ignore_global_conn_limit: true },
		layered_runtime: {
			layers: [
				{ name: "static", static_layer: { "re2.max_program_size.error_level": 32_768 } },
				{ name: "admin", admin_layer: {} },
			],
		},
		overload_manager: {
			resource_monitors: [
				{
					name: "envoy.resource_monitors.global_downstream_max_connections",
					typed_config: {
						"@type":
							"type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
						max_active_downstream_connections: options.maxDownstreamConnections ?? 2_147_483_647,
					},
				},
			],
		},
		typed_dns_resolver_config: dnsResolver(options.resolvers ?? []),
		stats_config: statsConfig(options.statsInclusion ?? "proxy"),
		deferred_stat_options: { enable_deferred_creation_stats: true },
		dynamic_resources: {
			ads_config: {
				api_type: "DELTA_GRPC",
				transport_api_version: "V3",
				set_node_on_first_message_only: true,
				grpc_services: [
					{
						envoy_grpc: {
							cluster_name: "xds-grpc",
							retry_policy: {
								retry_back_off: {
									base_interval: `${reconnectMs.base / 1000}s`,
									max_interval: `${reconnectMs.max / 1000}s`,
								},
							},
						},
					},
				],
			},
			cds_config: ads(),
			lds_config: ads(),
		},
		static_resources: {
			clusters: [
				{ ...staticCluster("xds-grpc", options.xds), ...http2WithKeepAlive },
				{ ...staticCluster(workloadSecretCluster, options.sds ?? options.xds), ...http2WithKeepAlive },
				staticCluster("prometheus_stats", admin),
				staticCluster("agent", options.agent ?? defaultAgent),
			],
			listeners: [
				...(stats ? [httpListener("prometheus", stats, [], prometheusRoutes)] : []),
				...(readiness ? [httpListener("readiness", readiness, [healthCheck], [])] : []),
			],
		},
	};
}

/**
 * A cluster that is found by DNS takes no part, and holds back all clusters after it, until its name was looked up. Where no
 * resolver answers, c-ares' own limits make that more than two minutes; these make it ten seconds at most.
 */
function dnsResolver(resolvers: readonly { readonly host: string; readonly port: number }[]): object {
	return {
		name: "envoy.network.dns_resolver.cares",
		typed_config: {
			"@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
			resolvers: resolvers.map(bootstrapAddress),
			dns_resolver_options: { no_default_search_domain: true },
			query_timeout_seconds: 2,
			query_tries: 2,
		},
	};
}

/** No first fetch in time limit: Envoy opens its listeners, these included, only once it has clusters and listeners. */
function ads(): object {
	return { ads: {}, initial_fetch_timeout: "0s", resource_api_version: "V3" };
}

const http2WithKeepAlive = {
	typed_extension_protocol_options: {
		"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
			"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
			explicit_http_config: {
				http2_protocol_options: { connection_keepalive: { interval: "30s", timeout: "10s" } },
			},
		},
	},
};

/**
 * Ready is what Envoy itself says: a hung one does not answer, one without its first configuration has not begun to accept
 * (its workers start after it), and one told to fail (`POST /healthcheck/fail`) while it drains answers 503. No agent is
 * asked, so a dead agent does not take a working proxy out of service.
 */
const healthCheck = {
	name: "envoy.filters.http.health_check",
	typed_config: {
		"@type": "type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck",
		pass_through_mode: false,
		headers: [{ name: ":path", string_match: { exact: "/healthz/ready" } }],
	},
};

const prometheusRoutes = [{ match: { prefix: "/stats/prometheus" }, route: { cluster: "prometheus_stats" } }];
