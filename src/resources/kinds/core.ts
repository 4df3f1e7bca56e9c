// The parts of Kubernetes' core kinds that a mesh needs. Field names are Kubernetes' own.

export interface CoreSpecs {
	Namespace: Readonly<Record<string, never>>;
	ServiceAccount: Readonly<Record<string, never>>;
	Service: ServiceSpec;
	EndpointSlice: EndpointSliceSpec;
	Pod: PodSpec;
	Deployment: DeploymentSpec;
	Secret: SecretSpec;
}

type Labels = Readonly<Record<string, string>>;

export interface ServiceSpec {
	readonly type?: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
	/** `None` makes it headless; absent in files that never saw an API server. */
	readonly clusterIP?: string;
	readonly clusterIPs?: readonly string[];
	readonly externalIPs?: readonly string[];
	readonly externalName?: string;
	readonly selector?: Labels;
	readonly ports?: readonly KubernetesServicePort[];
	readonly publishNotReadyAddresses?: boolean;
	readonly sessionAffinity?: "None" | "ClientIP";
	/** Seconds; 10,800 when absent. */
	readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } };
	readonly trafficDistribution?: string;
	readonly externalTrafficPolicy?: TrafficScope;
	readonly internalTrafficPolicy?: TrafficScope;
	/** 0 is none. */
	readonly healthCheckNodePort?: number;
	/** `ADDRESS/LENGTH`; blanks around it are allowed. */
	readonly loadBalancerSourceRanges?: readonly string[];
	/** A wish of an address, for whoever gives them. */
	readonly loadBalancerIP?: string;
	readonly loadBalancerClass?: string;
	readonly allocateLoadBalancerNodePorts?: boolean;
	readonly ipFamilies?: readonly ("IPv4" | "IPv6")[];
	readonly ipFamilyPolicy?: "SingleStack" | "PreferDualStack" | "RequireDualStack";
	/** The Service's `status`. */
	readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly LoadBalancerIngress[] } };
}

export type TrafficScope = "Cluster" | "Local";

export interface LoadBalancerIngress {
	readonly ip?: string;
	/** `VIP` when absent: packets arrive with that address. `Proxy`: it is left to the load balancer. */
	readonly ipMode?: "VIP" | "Proxy";
	readonly hostname?: string;
}

export interface KubernetesServicePort {
	readonly name?: string;
	readonly port: number;
	readonly targetPort?: number | string;
	readonly protocol?: "TCP" | "UDP" | "SCTP";
	readonly appProtocol?: string;
	readonly nodePort?: number;
}

export interface EndpointSliceSpec {
	readonly addressType: "IPv4" | "IPv6" | "FQDN";
	readonly endpoints: readonly SliceEndpoint[];
	readonly ports: readonly {
		readonly name?: string;
		readonly port?: number;
		readonly protocol?: string;
		readonly appProtocol?: string;
	}[];
}

export interface SliceEndpoint {
	readonly addresses: readonly string[];
	readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
	readonly hostname?: string;
	readonly nodeName?: string;
	readonly zone?: string;
	readonly targetRef?: { readonly kind?: string; readonly name?: string; readonly namespace?: string };
	readonly hints?: {
		readonly forZones?: readonly { readonly name: string }[];
		readonly forNodes?: readonly { readonly name: string }[];
	};
}

/** A Pod's `spec` with the parts of its `status` under `status`. */
export interface PodSpec extends PodTemplateSpec {
	readonly status?: {
		readonly podIP?: string;
		readonly podIPs?: readonly { readonly ip: string }[];
		readonly phase?: string;
		readonly conditions?: readonly { readonly type: string; readonly status: string }[];
	};
}

export interface PodTemplateSpec {
	readonly serviceAccountName?: string;
	readonly nodeName?: string;
	readonly hostNetwork?: boolean;
	readonly hostname?: string;
	readonly subdomain?: string;
	readonly terminationGracePeriodSeconds?: number;
	readonly containers?: readonly Container[];
	readonly initContainers?: readonly Container[];
	readonly volumes?: readonly Readonly<Record<string, unknown>>[];
}

export interface Container {
	readonly name: string;
	readonly image?: string;
	readonly command?: readonly string[];
	readonly args?: readonly string[];
	readonly workingDir?: string;
	readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
	readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[];
	readonly readinessProbe?: Probe;
	readonly livenessProbe?: Probe;
	readonly startupProbe?: Probe;
	readonly lifecycle?: {
		readonly preStop?: {
			readonly exec?: { readonly command: readonly string[] };
			readonly sleep?: { readonly seconds: number };
		};
	};
}

export interface Probe {
	readonly httpGet?: { readonly path?: string; readonly port: number | string; readonly scheme?: string };
	readonly tcpSocket?: { readonly port: number | string };
	readonly exec?: { readonly command: readonly string[] };
	readonly grpc?: { readonly port: number; readonly service?: string };
	readonly initialDelaySeconds?: number;
	readonly periodSeconds?: number;
	readonly timeoutSeconds?: number;
	readonly successThreshold?: number;
	readonly failureThreshold?: number;
}

export interface DeploymentSpec {
	readonly replicas?: number;
	readonly selector?: { readonly matchLabels?: Labels };
	readonly strategy?: {
		readonly type?: "RollingUpdate" | "Recreate";
		readonly rollingUpdate?: { readonly maxSurge?: number | string; readonly maxUnavailable?: number | string };
	};
	readonly minReadySeconds?: number;
	readonly template: {
		readonly metadata?: { readonly labels?: Labels; readonly annotations?: Labels };
		readonly spec: PodTemplateSpec;
	};
}

export interface SecretSpec {
	readonly type?: string;
	/** Values decoded from base64 (`data`) or taken as they are (`stringData`). */
	readonly data: Readonly<Record<string, string>>;
}
