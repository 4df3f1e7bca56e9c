// What a Service's health-check node port says to a load balancer: whether this node has an endpoint of it that is ready.
// kube-proxy's pkg/proxy/healthcheck/service_health.go.

import type { IpFamily } from "../balancer.ts";
import type { Layer4Service } from "../layer4-service.ts";
import type { NodeFacts } from "../node-facts.ts";
import { familyOf } from "./canonical-address.ts";
import { isLocal } from "./usable-endpoints.ts";

export interface HealthCheckAnswer {
	/** 200: send connections here. 503: do not. */
	readonly status: 200 | 503;
	/** The same number as the header `X-Load-Balancing-Endpoint-Weight`. */
	readonly localEndpoints: number;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
}

/** Each family has its own port and its own count; `isHealthy`: this node's rules are up to date. */
export function healthCheckAnswer(
	service: Layer4Service,
	node: Pick<NodeFacts, "name">,
	family: IpFamily,
	isHealthy: boolean,
): HealthCheckAnswer {
	const localEndpoints = countLocalEndpoints(service, node, family);
	const { namespace, name } = service;
	return {
		status: localEndpoints > 0 && isHealthy ? 200 : 503,
		localEndpoints,
		headers: {
			"Content-Type": "application/json",
			"X-Content-Type-Options": "nosniff",
			"X-Load-Balancing-Endpoint-Weight": String(localEndpoints),
		},
		body: JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: isHealthy }, null, "\t"),
	};
}

/** Addresses, not ports; those that only leave do not count, though they may still serve. */
function countLocalEndpoints(service: Layer4Service, node: Pick<NodeFacts, "name">, family: IpFamily): number {
	const addresses = service.ports
		.flatMap(({ endpoints }) => endpoints)
		.filter((endpoint) => endpoint.ready && isLocal(endpoint, node) && familyOf(endpoint.address) === family)
		.map(({ address }) => address);
	return new Set(addresses).size;
}
