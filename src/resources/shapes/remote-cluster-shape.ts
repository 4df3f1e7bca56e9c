// Fields of RemoteCluster, keepmesh.io/v1alpha1.

import { flag, list, port, struct, text } from "./shape.ts";

export const remoteClusterShape = struct(
	{
		clusterId: text,
		kubeconfig: struct({ secretName: text, key: text }, "secretName"),
		network: text,
		gateways: list(struct({ address: text, port }, "address")),
		enabled: flag,
	},
	"kubeconfig",
);
