// A port of the workload -> the route table of its HTTP chain: everything goes to the application.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { InboundPort } from "../../model/view.ts";
import { zeroDuration } from "../ads-source.ts";
import type { RouteConfigurationSchema } from "../gen/envoy/config/route/v3/route_pb.ts";
import { inboundClusterName, inboundPassthroughCluster } from "../names.ts";

/** Istio's defaultInboundHttpRetryPolicy: the application closed an idle connection just as the request came. */
const retries = 2;

type RouteTable = MessageInitShape<typeof RouteConfigurationSchema>;

export function inboundRoute(port: InboundPort): RouteTable {
	const servicePort = port.servicePort?.number ?? port.targetPort;
	const grpc = port.protocol === "GRPC" || port.protocol === "GRPC-WEB";
	return everythingTo(inboundClusterName(port.targetPort), {
		host: `inbound|http|${servicePort}`,
		operation: port.service ? `${port.service.hostname}:${servicePort}/*` : `inbound:${port.targetPort}/*`,
		retries: grpc ? 0 : retries,
	});
}

/** For HTTP on ports that no service names. */
export function passthroughRoute(): RouteTable {
	return everythingTo(inboundPassthroughCluster, {
		host: "inbound|http|0",
		operation: `${inboundPassthroughCluster}/*`,
		retries: 0,
	});
}

function everythingTo(
	cluster: string,
	options: { readonly host: string; readonly operation: string; readonly retries: number },
): RouteTable {
	return {
		name: cluster,
		validateClusters: false,
		virtualHosts: [
			{
				name: options.host,
				domains: ["*"],
				routes: [
					{
						name: "default",
						match: { pathSpecifier: { case: "prefix", value: "/" } },
						decorator: { operation: options.operation },
						action: {
							case: "route",
							value: {
								clusterSpecifier: { case: "cluster", value: cluster },
								timeout: zeroDuration,
								maxStreamDuration: { maxStreamDuration: zeroDuration, grpcTimeoutHeaderMax: zeroDuration },
								...(options.retries > 0 && {
									retryPolicy: { retryOn: "reset-before-request", numRetries: options.retries },
								}),
							},
						},
					},
				],
			},
		],
	};
}
