// A pod's Envoy shows the kernel that it lives. In: how often, and a socket of its own. Out: static parts of its start
// configuration. A connection of Envoy to itself stays open, and the worker that has it goes on trying a port that nobody listens
// on; each try refreshes the lease of the pod's redirect (src/hotswitch/render-lease.ts). So the sign comes from where
// connections are served, and the main thread may take new configuration for as long as it needs.

import { bootstrapAddress, staticCluster } from "../../envoy/bootstrap/static-resources.ts";
import { heartbeatPort } from "../../hotswitch/render-lease.ts";

export const leaseClusterName = "keepmesh_lease";
const loopName = "keepmesh_lease_loop";

export interface LeaseHeartbeat {
	readonly clusters: readonly object[];
	readonly listeners: readonly object[];
}

/** `heartbeatMs` is the longest time between two signs; Envoy picks each by chance from 0 on, so half of it is usual. */
export function leaseHeartbeat(heartbeatMs: number, socketPath: string): LeaseHeartbeat {
	const interval = `${heartbeatMs / 1000}s`;
	return {
		clusters: [staticCluster(leaseClusterName, { host: "127.0.0.1", port: heartbeatPort }), loopCluster(socketPath)],
		listeners: [
			{
				name: leaseClusterName,
				ignore_global_conn_limit: true,
				address: bootstrapAddress({ socketPath }),
				filter_chains: [
					{
						filters: [
							{
								name: "envoy.filters.network.tcp_proxy",
								typed_config: {
									"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
									stat_prefix: leaseClusterName,
									cluster: leaseClusterName,
									idle_timeout: "0s",
									max_connect_attempts: 4_294_967_295,
									backoff_options: { base_interval: interval, max_interval: interval },
								},
							},
						],
					},
				],
			},
		],
	};
}

/** A health check opens the connection; it waits for an answer that never comes. */
function loopCluster(socketPath: string): object {
	const again = "0.02s";
	return {
		...staticCluster(loopName, { socketPath }),
		health_checks: [
			{
				timeout: "86400s",
				interval: again,
				no_traffic_interval: again,
				unhealthy_interval: again,
				unhealthy_edge_interval: again,
				unhealthy_threshold: 1,
				healthy_threshold: 1,
				reuse_connection: false,
				tcp_health_check: { receive: [{ text: "00" }] },
			},
		],
	};
}
