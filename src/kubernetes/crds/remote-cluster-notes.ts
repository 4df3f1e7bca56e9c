// RemoteCluster: what its fields are for.

import type { FieldNotes } from "./field-notes.ts";

export const remoteClusterNotes: FieldNotes = {
	"": "Another Kubernetes cluster that is part of the mesh. No effect yet.",
	clusterId: "What its proxies call it. Default: the resource's name.",
	kubeconfig: "How its API server is reached.",
	"kubeconfig.secretName": "A Secret of the same namespace.",
	"kubeconfig.key": "Of that Secret. Default kubeconfig.",
	network: "Network of its workloads. Default: this cluster's, so that Pods reach each other without gateways.",
	gateways: "Its east-west gateways. Default: those found in it.",
	"gateways[].address": "IP address or host name.",
	"gateways[].port": "Default 15443.",
	enabled: "Off: nothing is read from it. Default true.",
};
