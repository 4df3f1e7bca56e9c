// Start configuration of an Envoy that asks a control plane's Unix socket for everything, as the gateway `edge` of a namespace.

/** `listeners`: such as it has besides, as the JSON that Envoy reads. */
export function gatewayBootstrap(socketPath: string, namespace: string, listeners: readonly object[] = []): object {
	const ads = { ads: {}, resource_api_version: "V3" };
	const http2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
	return {
		node: {
			id: `router~127.0.0.1~edge.${namespace}~${namespace}.svc.cluster.local`,
			cluster: "edge",
			metadata: { LABELS: { app: "edge" }, NAMESPACE: namespace },
		},
		dynamic_resources: {
			ads_config: {
				api_type: "DELTA_GRPC",
				transport_api_version: "V3",
				grpc_services: [{ envoy_grpc: { cluster_name: "xds-grpc" } }],
			},
			cds_config: ads,
			lds_config: ads,
		},
		static_resources: {
			listeners,
			clusters: [
				{
					name: "xds-grpc",
					type: "STATIC",
					typed_extension_protocol_options: {
						[http2]: {
							"@type": `type.googleapis.com/${http2}`,
							explicit_http_config: { http2_protocol_options: {} },
						},
					},
					load_assignment: {
						cluster_name: "xds-grpc",
						endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socketPath } } } }] }],
					},
				},
			],
		},
	};
}
