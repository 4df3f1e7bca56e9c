// A port of the workload -> the route table of its HTTP chain: everything goes to the application.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { InboundPort } from "../../model/view.ts";
import { zeroDuration } from "../ads-source.ts";
import type { RouteConfigurationSchema } from "../gen/envoy/config/route/v3/route_pb.ts";
import { inboundClusterName } from "../names.ts";

/** Istio's defaultInboundHttpRetryPolicy: the application closed an idle connection just as the request came. */
const retries = 2;

export function inboundRoute(port: InboundPort): MessageInitShape<typeof RouteConfigurationSchema> {
	const cluster = inboundClusterName(port.targetPort);
	const servicePort = port.servicePort?.number ?? port.targetPort;
	const grpc = port.protocol === "GRPC" || port.protocol === "GRPC-WEB";
	return {
		name: cluster,
		validateClusters: false,
		virtualHosts: [
			{
				name: `inbound|http|${servicePort}`,
				domains: ["*"],
				routes: [
					{
						name: "default",
						match: { pathSpecifier: { case: "prefix", value: "/" } },
						decorator: {
							operation: port.service ? `${port.service.hostname}:${servicePort}/*` : `inbound:${port.targetPort}/*`,
						},
						action: {
							case: "route",
							value: {
								clusterSpecifier: { case: "cluster", value: cluster },
								timeout: zeroDuration,
								maxStreamDuration: { maxStreamDuration: zeroDuration, grpcTimeoutHeaderMax: zeroDuration },
								...(!grpc && { retryPolicy: { retryOn: "reset-before-request", numRetries: retries } }),
							},
						},
					},
				],
			},
		],
	};
}
