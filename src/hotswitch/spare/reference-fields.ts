// Fields of Envoy's messages that hold the name of a resource: its own, or that of another. By their full protobuf names.

/** Rewritten wherever they stand. Clusters of the start configuration keep their names. */
export const referenceFields: ReadonlySet<string> = new Set([
	"envoy.config.listener.v3.Listener.name",
	"envoy.config.cluster.v3.Cluster.name",
	"envoy.config.cluster.v3.Cluster.EdsClusterConfig.service_name",
	"envoy.config.endpoint.v3.ClusterLoadAssignment.cluster_name",
	"envoy.config.route.v3.RouteConfiguration.name",
	"envoy.config.route.v3.RouteAction.cluster",
	"envoy.config.route.v3.RouteAction.RequestMirrorPolicy.cluster",
	"envoy.config.route.v3.WeightedCluster.ClusterWeight.name",
	"envoy.extensions.clusters.aggregate.v3.ClusterConfig.clusters",
	"envoy.extensions.filters.network.http_connection_manager.v3.Rds.route_config_name",
	"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.cluster",
	"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight.name",
	"envoy.config.core.v3.GrpcService.EnvoyGrpc.cluster_name",
	"envoy.config.core.v3.HttpUri.cluster",
	"envoy.extensions.transport_sockets.tls.v3.Secret.name",
	"envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig.name",
]);

/** Names that are found only while a request runs: no table can rewrite them, so what uses them has no spare. */
export const unrenamableFields: ReadonlySet<string> = new Set([
	"envoy.config.route.v3.RouteAction.cluster_header",
	"envoy.config.route.v3.RouteAction.cluster_specifier_plugin",
	"envoy.config.route.v3.RouteAction.inline_cluster_specifier_plugin",
	"envoy.config.route.v3.WeightedCluster.ClusterWeight.cluster_header",
]);

/** Clusters of the spare's own start configuration: one for all pods. */
export const sharedClusters: ReadonlySet<string> = new Set(["xds-grpc", "sds-grpc", "agent", "prometheus_stats"]);
