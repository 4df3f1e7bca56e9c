// The start configuration of a pod's Envoy, as JSON. In: the pod and the agent's paths. Out: node identity and metadata in
// Istio's form, admin on a Unix socket that the agent reaches from outside the pod's namespace, ADS over the relay's socket,
// and the listeners that answer without the agent: 15000 admin, 15020 metrics, 15021 health, 15090 Envoy's own statistics.

import { type NodePaths, type PodPaths, podPaths } from "./pod-paths.ts";
import type { PodSpec } from "./pod-spec.ts";

/** Runtime key that the agent sets to 100 once the proxy is ready: only then 15021 answers 200. */
export const readyRuntimeKey = "keepmesh.ready";

/** The application's own metrics endpoint, from the annotations prometheus.io/{scrape,port,path}. */
export interface AppMetrics {
	readonly port: number;
	readonly path: string;
}

export function appMetricsOf(pod: Pick<PodSpec, "annotations">): AppMetrics | undefined {
	if (pod.annotations["prometheus.io/scrape"] !== "true") return undefined;
	if (pod.annotations["prometheus.istio.io/merge-metrics"] === "false") return undefined;
	const port = Number(pod.annotations["prometheus.io/port"] ?? "80");
	if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
	const path = pod.annotations["prometheus.io/path"] ?? "/metrics";
	return { port, path: path.startsWith("/") ? path : `/${path}` };
}

/** `sidecar~10.1.0.5~reviews-v1-abc.default~default.svc.cluster.local` */
export function proxyIdOf(pod: PodSpec, domainSuffix: string): string {
	return `${pod.proxy}~${pod.ips[0] ?? ""}~${pod.name}.${pod.namespace}~${pod.namespace}.svc.${domainSuffix}`;
}

export interface PodBootstrapOptions {
	readonly nodeName: string;
	readonly paths: NodePaths;
	readonly domainSuffix: string;
}

export function podBootstrap(pod: PodSpec, options: PodBootstrapOptions): object {
	const paths = podPaths(options.paths.state, pod.uid);
	const app = appMetricsOf(pod);
	return {
		node: {
			id: proxyIdOf(pod, options.domainSuffix),
			cluster: `${pod.labels.app ?? pod.workload}.${pod.namespace}`,
			locality: { region: pod.locality.region, zone: pod.locality.zone, sub_zone: pod.locality.subzone },
			metadata: metadataOf(pod, options.nodeName),
		},
		admin: { address: pipe(paths.adminSocket), ignore_global_conn_limit: true },
		layered_runtime: {
			layers: [
				{ name: "static", static_layer: { "re2.max_program_size.error_level": 32_768 } },
				{ name: "admin", admin_layer: {} },
			],
		},
		dynamic_resources: {
			ads_config: {
				api_type: "DELTA_GRPC",
				transport_api_version: "V3",
				set_node_on_first_message_only: true,
				grpc_services: [{ envoy_grpc: { cluster_name: "xds-grpc", retry_policy: { retry_back_off: reconnect } } }],
			},
			cds_config: ads(),
			lds_config: ads(),
		},
		static_resources: {
			clusters: [
				grpcCluster("xds-grpc", options.paths.xdsSocket),
				grpcCluster("sds-grpc", options.paths.secretSocket),
				pipeCluster("prometheus_stats", paths.adminSocket),
				pipeCluster("agent", options.paths.metricsSocket),
				...(app ? [appCluster(app)] : []),
			],
			listeners: ownListeners(pod, paths, app),
		},
	};
}

/** The relay is on this machine: after an agent's restart its Envoys come back soon. Envoy's default goes up to 30 s. */
const reconnect = { base_interval: "0.1s", max_interval: "1s" };

const keepAlive = { interval: "30s", timeout: "10s" };

function metadataOf(pod: PodSpec, nodeName: string): object {
	return {
		NAME: pod.name,
		NAMESPACE: pod.namespace,
		LABELS: pod.labels,
		ANNOTATIONS: pod.annotations,
		CLUSTER_ID: pod.clusterId,
		NETWORK: pod.network,
		INSTANCE_IPS: pod.ips.join(","),
		INTERCEPTION_MODE: pod.interceptionMode,
		SERVICE_ACCOUNT: pod.serviceAccount,
		WORKLOAD_NAME: pod.workload,
		NODE_NAME: nodeName,
		POD_PORTS: JSON.stringify(pod.ports),
		PROXY_CONFIG: { concurrency: pod.concurrency },
	};
}

function ownListeners(pod: PodSpec, paths: PodPaths, app: AppMetrics | undefined): readonly object[] {
	return [
		{
			name: "admin",
			address: socket("127.0.0.1", 15_000),
			filter_chains: [
				{
					filters: [
						{
							name: "envoy.filters.network.tcp_proxy",
							typed_config: {
								"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
								stat_prefix: "admin",
								cluster: "prometheus_stats",
							},
						},
					],
				},
			],
		},
		httpListener("health", socket("0.0.0.0", 15_021), [
			{
				match: {
					path: "/healthz/ready",
					runtime_fraction: { default_value: { numerator: 0 }, runtime_key: readyRuntimeKey },
				},
				route: { cluster: "prometheus_stats", prefix_rewrite: "/ready" },
			},
			{ match: { path: "/healthz/ready" }, direct_response: { status: 503, body: { inline_string: "not ready\n" } } },
		]),
		httpListener("prometheus", socket("0.0.0.0", 15_090), [
			{ match: { path: "/stats/prometheus" }, route: { cluster: "prometheus_stats" } },
		]),
		httpListener("metrics", socket("0.0.0.0", 15_020), [
			{
				match: { path: "/stats/prometheus" },
				route: { cluster: "agent", prefix_rewrite: `/pods/${pod.uid}/stats/prometheus`, timeout: "30s" },
			},
			{
				match: { path: "/healthz/ready" },
				redirect: { port_redirect: 15_021 },
			},
		]),
		...(app
			? [
					httpListener("app-metrics", pipe(paths.appMetricsSocket), [
						{ match: { prefix: "/" }, route: { cluster: "app-metrics", prefix_rewrite: app.path, timeout: "30s" } },
					]),
				]
			: []),
	];
}

function httpListener(name: string, address: object, routes: readonly object[]): object {
	return {
		name,
		address,
		filter_chains: [
			{
				filters: [
					{
						name: "envoy.filters.network.http_connection_manager",
						typed_config: {
							"@type":
								"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
							stat_prefix: name,
							http_filters: [
								{
									name: "envoy.filters.http.router",
									typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
								},
							],
							route_config: { name, virtual_hosts: [{ name, domains: ["*"], routes }] },
						},
					},
				],
			},
		],
	};
}

function grpcCluster(name: string, path: string): object {
	return {
		...pipeCluster(name, path),
		typed_extension_protocol_options: {
			"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
				"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
				explicit_http_config: { http2_protocol_options: { connection_keepalive: keepAlive } },
			},
		},
	};
}

function pipeCluster(name: string, path: string): object {
	return cluster(name, pipe(path));
}

function appCluster(app: AppMetrics): object {
	return cluster("app-metrics", socket("127.0.0.1", app.port));
}

function cluster(name: string, address: object): object {
	return {
		name,
		type: "STATIC",
		connect_timeout: "1s",
		load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
	};
}

function ads(): object {
	// 0: wait for the control plane, so that LIVE means configured.
	return { ads: {}, initial_fetch_timeout: "0s", resource_api_version: "V3" };
}

function pipe(path: string): object {
	return { pipe: { path } };
}

function socket(address: string, port: number): object {
	return { socket_address: { address, port_value: port } };
}
