// RemoteCluster, keepmesh.io/v1alpha1: another Kubernetes cluster that is part of the mesh.

export interface RemoteClusterSpec {
	/** What its proxies call it (`ISTIO_META_CLUSTER_ID`). Default: the resource's name. */
	readonly clusterId?: string;
	readonly kubeconfig: RemoteKubeconfig;
	/** `topology.istio.io/network` of its workloads. Default: this cluster's, so that pods reach each other without gateways. */
	readonly network?: string;
	/** Its east-west gateways. Default: those found in it. */
	readonly gateways?: readonly { readonly address: string; readonly port?: number }[];
	/** False: nothing is read from it. Default true. */
	readonly enabled?: boolean;
}

/** How its API server is reached: a Secret of the same namespace. */
export interface RemoteKubeconfig {
	readonly secretName: string;
	/** Default `kubeconfig`. */
	readonly key?: string;
}
