// Where the Envoy of a pod and the agent of its node meet: abstract sockets of the pod's network namespace that the agent listens
// on, and files of the proxy's container that Envoy makes. Both sides' contract: docs/kubernetes/injection.md.

import type { ProxyPlaces } from "../../node/plan/pod-bootstrap.ts";

/** The one place of the container that its Envoy may write to. */
export const proxyDirectory = "/etc/istio/proxy";

/** What the agent serves to a pod, each on a socket of its own. */
export const agentSockets = {
	node: "keepmesh-node",
	xds: "keepmesh-xds",
	secrets: "keepmesh-sds",
	metrics: "keepmesh-metrics",
} as const;

export type AgentSocket = keyof typeof agentSockets;

/** As the Envoy sees them. Names of files are those that the agent knows from its own directories. */
export const containerPlaces: ProxyPlaces = {
	xdsSocket: `@${agentSockets.xds}`,
	secretSocket: `@${agentSockets.secrets}`,
	metricsSocket: `@${agentSockets.metrics}`,
	adminSocket: `${proxyDirectory}/admin.sock`,
	appMetricsSocket: `${proxyDirectory}/app.sock`,
	watchSocket: `${proxyDirectory}/watch.sock`,
	leaseSocket: `${proxyDirectory}/lease.sock`,
};
