// Where a proxy gets its own certificate and the mesh's roots: from the node beside it, never from the control plane, so that
// keys do not travel. The bootstrap names the cluster, as Istio's does.

import { create } from "@bufbuild/protobuf";
import {
	ApiConfigSource_ApiType,
	ApiVersion,
	type ConfigSource,
	ConfigSourceSchema,
} from "./gen/envoy/config/core/v3/config_source_pb.ts";
import { reconnectBackOff } from "./reconnect-back-off.ts";

/** Cluster of the bootstrap that leads to the node's SDS server. */
export const workloadSecretCluster = "sds-grpc";

/** `initial_fetch_timeout` 0: without the certificate nothing of the mesh's TLS works, so there is nothing to do but wait. */
export const workloadSecretSource: ConfigSource = create(ConfigSourceSchema, {
	configSourceSpecifier: {
		case: "apiConfigSource",
		value: {
			apiType: ApiConfigSource_ApiType.GRPC,
			transportApiVersion: ApiVersion.V3,
			setNodeOnFirstMessageOnly: true,
			grpcServices: [
				{
					targetSpecifier: {
						case: "envoyGrpc",
						value: { clusterName: workloadSecretCluster, retryPolicy: reconnectBackOff },
					},
				},
			],
		},
	},
	initialFetchTimeout: { seconds: 0n, nanos: 0 },
	resourceApiVersion: ApiVersion.V3,
});
