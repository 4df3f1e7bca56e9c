// The start configuration of a pod's Envoy, as JSON. In: the pod and the agent's paths. Out: node identity and metadata in
// Istio's form, admin on a Unix socket that the agent reaches from outside the pod's namespace, ADS over the relay's socket,
// and the listeners that answer without the agent: 15000 admin, 15020 metrics, 15021 health, 15090 Envoy's own statistics.

import { generateBootstrap } from "../../envoy/bootstrap/bootstrap.ts";
import { bootstrapAddress, httpListener, staticCluster } from "../../envoy/bootstrap/static-resources.ts";
import { drainPressure } from "./drain-pressure.ts";
import type { IpPort } from "./host-port.ts";
import { leaseHeartbeat } from "./lease-cluster.ts";
import { type NodePaths, type ProxySlot, podPaths } from "./pod-paths.ts";
import type { PodSpec } from "./pod-spec.ts";
import { readinessRoutes, watchdogs, watchListener } from "./watch-listener.ts";

/** Runtime key that the agent sets to 100 once the proxy is ready: only then 15021 answers 200. */
export const readyRuntimeKey = "keepmesh.ready";

/** The application's own metrics endpoint, from the annotations prometheus.io/{scrape,port,path}. */
export interface AppMetrics {
	readonly port: number;
	readonly path: string;
}

export function appMetricsOf(pod: Pick<PodSpec, "annotations" | "container">): AppMetrics | undefined {
	if (pod.container) return pod.container.appMetrics;
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

/** Sockets and files as the Envoy sees them; a name that begins with `@` is an abstract socket of its network namespace. */
export interface ProxyPlaces {
	readonly xdsSocket: string;
	readonly secretSocket: string;
	readonly metricsSocket: string;
	readonly adminSocket: string;
	readonly appMetricsSocket: string;
	readonly watchSocket: string;
	readonly leaseSocket: string;
	/** Absent: it is never replaced by another Envoy, and needs no word on how eagerly to close connections. */
	readonly pressureFile?: string;
}

/** Listeners and clusters beside the usual ones: the probes of the application's containers. */
export interface ProbeParts {
	readonly clusters: readonly object[];
	/** Of the listener on 15020. */
	readonly filters: readonly object[];
	readonly routes: readonly object[];
}

export interface PodBootstrapOptions {
	readonly nodeName: string;
	readonly paths: NodePaths;
	/** Default: below `paths`, for an Envoy that sees the agent's files. */
	readonly places?: ProxyPlaces;
	readonly probes?: ProbeParts;
	readonly domainSuffix: string;
	/** For Envoy's own look-ups. Default: the machine's resolv.conf. */
	readonly resolvers?: readonly IpPort[];
	/** The node serves workload certificates by SDS. */
	readonly certificates?: boolean;
	/** At most between two signs of life to the kernel, for pods that are redirected. Absent: none, their redirect has no lease. */
	readonly heartbeatMs?: number;
	/** Whose files and sockets it uses. Default 0. */
	readonly slot?: ProxySlot;
}

interface BaseBootstrap {
	readonly overload_manager: Parameters<typeof drainPressure>[0];
	readonly static_resources: { readonly clusters: readonly object[]; readonly listeners: readonly object[] };
}

export function podBootstrap(pod: PodSpec, options: PodBootstrapOptions): object {
	const { probes } = options;
	const places: ProxyPlaces = options.places ?? {
		...options.paths,
		...podPaths(options.paths.state, pod.uid, options.slot),
	};
	const app = appMetricsOf(pod);
	const heartbeat =
		pod.interceptionMode === "NONE" || options.heartbeatMs === undefined
			? undefined
			: leaseHeartbeat(options.heartbeatMs, places.leaseSocket);
	const base = generateBootstrap({
		node: {
			id: proxyIdOf(pod, options.domainSuffix),
			cluster: `${pod.labels.app ?? pod.workload}.${pod.namespace}`,
			metadata: metadataOf(pod, options),
			locality: pod.locality,
		},
		xds: { socketPath: places.xdsSocket },
		sds: { socketPath: places.secretSocket },
		admin: { socketPath: places.adminSocket },
		agent: { socketPath: places.metricsSocket },
		resolvers: (options.resolvers ?? []).map(({ address, port }) => ({ host: address, port })),
		// Ours is stricter: an Envoy whose first listeners were rejected is live but not ready.
		readiness: null,
	}) as BaseBootstrap;
	return {
		...base,
		watchdogs,
		...(places.pressureFile === undefined
			? {}
			: { overload_manager: drainPressure(base.overload_manager, places.pressureFile) }),
		static_resources: {
			clusters: [
				...base.static_resources.clusters,
				...(app ? [staticCluster("app-metrics", { host: "127.0.0.1", port: app.port })] : []),
				...(heartbeat?.clusters ?? []),
				...(probes?.clusters ?? []),
			],
			listeners: [
				...base.static_resources.listeners,
				...ownListeners(pod, places, app, probes),
				...(heartbeat?.listeners ?? []),
			],
		},
	};
}

function metadataOf(pod: PodSpec, options: PodBootstrapOptions): Readonly<Record<string, unknown>> {
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
		NODE_NAME: options.nodeName,
		...(options.certificates ? { KEEPMESH_SDS: "true" } : {}),
		POD_PORTS: JSON.stringify(pod.ports),
		PROXY_CONFIG: { concurrency: pod.concurrency },
	};
}

function ownListeners(
	pod: PodSpec,
	paths: ProxyPlaces,
	app: AppMetrics | undefined,
	probes: ProbeParts | undefined,
): readonly object[] {
	return [
		{
			name: "admin",
			ignore_global_conn_limit: true,
			address: bootstrapAddress({ host: "127.0.0.1", port: 15_000 }),
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
		httpListener("health", { host: "0.0.0.0", port: 15_021 }, [], readinessRoutes(readyRuntimeKey)),
		watchListener(paths.watchSocket, readyRuntimeKey),
		httpListener("metrics", { host: "0.0.0.0", port: 15_020 }, probes?.filters ?? [], [
			...(probes?.routes ?? []),
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
					httpListener(
						"app-metrics",
						{ socketPath: paths.appMetricsSocket },
						[],
						[{ match: { prefix: "/" }, route: { cluster: "app-metrics", prefix_rewrite: app.path, timeout: "30s" } }],
					),
				]
			: []),
	];
}
