// What a control plane on Kubernetes is started with, besides what every control plane has.

import type { HostPort } from "../control/control-options.ts";
import type { KubernetesAccessOptions } from "./open-kubernetes.ts";

export interface KubernetesControlOptions extends KubernetesAccessOptions {
	/** Where Keepmesh itself lives: its Lease, its Secrets, its Services. Default `keepmesh-system`. */
	readonly namespace: string;
	/** Of `istio.io/rev`; default `default`. */
	readonly revision: string;
	/** Name of this replica's Pod; outside of a cluster the host's name. */
	readonly pod: string;
	/** Of the replicas: `keepmesh-control`. */
	readonly service: string;
	/** Where webhooks are answered. Default 0.0.0.0:15017. */
	readonly webhooks?: HostPort;
	/** Of the proxy's container in injected pods. Default: the published one of this version. */
	readonly image?: string;
	/** The mesh's roots are written into every meshed namespace, as Istio does, for tools and gateways of others. Default false. */
	readonly writesRootConfigMaps?: boolean;
}

export const defaultKubernetesControl = {
	namespace: "keepmesh-system",
	revision: "default",
	service: "keepmesh-control",
} as const;
