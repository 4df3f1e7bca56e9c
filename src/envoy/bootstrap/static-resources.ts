// Listeners and clusters of a start configuration, as the JSON that Envoy reads: what must be there before any control plane.

export type SocketPlace = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** `filters` stand before the router. */
export function httpListener(
	name: string,
	place: SocketPlace,
	filters: readonly object[],
	routes: readonly object[],
): object {
	return {
		name,
		address: bootstrapAddress(place),
		ignore_global_conn_limit: true,
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
								...filters,
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

export function staticCluster(name: string, place: SocketPlace): object {
	return {
		name,
		type: "STATIC",
		connect_timeout: "1s",
		circuit_breakers: {
			thresholds: [
				{ priority: "DEFAULT", max_connections: 100_000, max_pending_requests: 100_000, max_requests: 100_000 },
			],
		},
		load_assignment: {
			cluster_name: name,
			endpoints: [{ lb_endpoints: [{ endpoint: { address: bootstrapAddress(place) } }] }],
		},
	};
}

export function bootstrapAddress(place: SocketPlace): object {
	if ("socketPath" in place) return { pipe: { path: place.socketPath } };
	return { socket_address: { address: place.host, port_value: place.port } };
}
