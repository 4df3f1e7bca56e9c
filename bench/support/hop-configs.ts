// The configurations that the hop is measured with: hand-written minimal ones for Envoy, and the resources that the generated
// ones are made of.

/** Port of the service, of its application and of its endpoint. */
export const hopPort = 9080;
export const hopAuthority = `reviews:${hopPort}`;

/** What a client's proxy needs at least: a redirected connection in, requests on to one upstream. */
export function minimalOutbound(upstreamIp: string): object {
	return {
		static_resources: {
			listeners: [httpListener("outbound", 15_001, { route: { cluster: "upstream", timeout: "0s" } })],
			clusters: [staticCluster("upstream", socketAddress(upstreamIp, hopPort))],
		},
	};
}

/** What a server's proxy needs at least: a redirected connection in, requests on to the application beside it. */
export function minimalInbound(ownIp: string): object {
	return {
		static_resources: {
			listeners: [httpListener("inbound", 15_006, { route: { cluster: "application", timeout: "0s" } })],
			clusters: [
				{
					...staticCluster("application", socketAddress(ownIp, hopPort)),
					// The redirect lets connections from this address through to the application.
					upstream_bind_config: { source_address: { address: "127.0.0.6", port_value: 0 } },
				},
			],
		},
	};
}

/** Answers every request with 1 KiB. */
export function fixedAnswer(): object {
	const action = { direct_response: { status: 200, body: { inline_string: "x".repeat(1024) } } };
	return { static_resources: { listeners: [httpListener("upstream", hopPort, action)] } };
}

/** A Kubernetes service with one endpoint. */
export function hopServiceYaml(endpointIp: string): string {
	return `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {clusterIP: ${endpointIp}, ports: [{name: http, port: ${hopPort}}], selector: {app: reviews}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: reviews-1, labels: {kubernetes.io/service-name: reviews}}
addressType: IPv4
ports: [{name: http, port: ${hopPort}}]
endpoints: [{addresses: [${endpointIp}], conditions: {ready: true}}]
`;
}

function httpListener(name: string, port: number, action: object): object {
	return {
		name,
		address: socketAddress("0.0.0.0", port),
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
									name: "router",
									typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
								},
							],
							route_config: {
								virtual_hosts: [{ name, domains: ["*"], routes: [{ match: { prefix: "/" }, ...action }] }],
							},
						},
					},
				],
			},
		],
	};
}

function staticCluster(name: string, address: object): object {
	return {
		name,
		type: "STATIC",
		connect_timeout: "1s",
		load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
	};
}

function socketAddress(address: string, portValue: number): object {
	return { socket_address: { address, port_value: portValue } };
}
