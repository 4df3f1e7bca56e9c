// A pod's Envoy shows the kernel that it lives. In: how often. Out: a static cluster for its start configuration, whose TCP health
// check tries a port that nobody listens on; each try refreshes the lease of the pod's redirect (src/hotswitch/render-lease.ts).
// Checks run on Envoy's main thread, which also takes configuration.

import { staticCluster } from "../../envoy/bootstrap/static-resources.ts";
import { heartbeatPort } from "../../hotswitch/render-lease.ts";

export const leaseClusterName = "keepmesh_lease";

/** The endpoint is never healthy and nothing is routed to it, so all of Envoy's intervals are the same one. */
export function leaseCluster(heartbeatMs: number): object {
	const interval = `${heartbeatMs / 1000}s`;
	return {
		...staticCluster(leaseClusterName, { host: "127.0.0.1", port: heartbeatPort }),
		health_checks: [
			{
				timeout: interval,
				interval,
				no_traffic_interval: interval,
				unhealthy_interval: interval,
				unhealthy_edge_interval: interval,
				healthy_edge_interval: interval,
				unhealthy_threshold: 1,
				healthy_threshold: 1,
				reuse_connection: false,
				tcp_health_check: {},
			},
		],
	};
}
