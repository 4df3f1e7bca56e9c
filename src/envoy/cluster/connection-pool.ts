// DestinationRule connectionPool and retryBudget -> circuit breakers, TCP keepalive and timeouts of a cluster. Thresholds
// that nobody set are at the maximum: Envoy's defaults (3 retries at a time) fail requests during rolling updates.

import type { ConnectionPool, TrafficPolicy } from "../../resources/kinds/networking.ts";
import { durationFromText, msFromText } from "../duration.ts";
import type { CircuitBreakersSchema } from "../gen/envoy/config/cluster/v3/circuit_breaker_pb.ts";
import type { UpstreamConnectionOptionsSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import type { HttpProtocolOptionsSchema } from "../gen/envoy/config/core/v3/protocol_pb.ts";
import type { MessageFields } from "../message-fields.ts";

const maxUint32 = 4294967295;

export function circuitBreakers(
	pool: ConnectionPool | undefined,
	retryBudget: TrafficPolicy["retryBudget"],
): MessageFields<typeof CircuitBreakersSchema> {
	return {
		thresholds: [
			{
				maxConnections: pool?.tcp?.maxConnections || maxUint32,
				maxPendingRequests: pool?.http?.http1MaxPendingRequests || maxUint32,
				maxRequests: pool?.http?.http2MaxRequests || maxUint32,
				maxRetries: pool?.http?.maxRetries || maxUint32,
				trackRemaining: true,
				...(retryBudget && {
					retryBudget: {
						budgetPercent: { value: retryBudget.percent ?? 20 },
						minRetryConcurrency: retryBudget.minRetryConcurrency ?? 3,
					},
				}),
			},
		],
	};
}

export function keepalive(
	pool: ConnectionPool | undefined,
): MessageFields<typeof UpstreamConnectionOptionsSchema> | undefined {
	const setting = pool?.tcp?.tcpKeepalive;
	if (setting === undefined) return undefined;
	return {
		tcpKeepalive: {
			keepaliveProbes: setting.probes || undefined,
			keepaliveTime: wholeSeconds(setting.time),
			keepaliveInterval: wholeSeconds(setting.interval),
		},
	};
}

/** Limits that Envoy keeps with the HTTP options, for TCP as well; undefined when none is set. */
export function connectionLimits(
	pool: ConnectionPool | undefined,
): MessageFields<typeof HttpProtocolOptionsSchema> | undefined {
	const idleTimeout = durationFromText(pool?.http?.idleTimeout ?? pool?.tcp?.idleTimeout);
	const maxConnectionDuration = durationFromText(pool?.tcp?.maxConnectionDuration);
	const maxRequestsPerConnection = pool?.http?.maxRequestsPerConnection || undefined;
	if (!idleTimeout && !maxConnectionDuration && !maxRequestsPerConnection) return undefined;
	return { idleTimeout, maxConnectionDuration, maxRequestsPerConnection };
}

function wholeSeconds(text: string | undefined): number | undefined {
	const ms = msFromText(text);
	return ms === undefined ? undefined : Math.floor(ms / 1000);
}
