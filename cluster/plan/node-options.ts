// What may differ from one set of clusters to another beside its size.

export interface NodeOptions {
	/** False: nodes start without kube-proxy. */
	readonly kubeProxy: boolean;
	readonly kubeletArgs: readonly string[];
	/** Directories of this machine that nodes see at the same path, for hostPath volumes. */
	readonly share: readonly string[];
}

export interface ControlPlaneOptions {
	readonly apiServerArgs: readonly string[];
	readonly controllerArgs: readonly string[];
}

export type ClusterOptions = NodeOptions & ControlPlaneOptions;
