// What a caller may choose about generated clusters.

export interface ClusterOptions {
	/** Mutual TLS to endpoints whose workload has a proxy, where no DestinationRule says otherwise. Default false. */
	readonly autoMtls: boolean;
}

export const defaultClusterOptions: ClusterOptions = { autoMtls: false };
