// A pod (or a pod template) as Kubernetes writes it, with the fields that injection reads. All others pass through untouched.
// https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/

/** Of a pod's status: true while anybody serves its connections. The pod's node writes it. */
export const servingCondition = "keepmesh.io/serving";
/** Its reason while the pod's own proxy does. */
export const servedBySidecar = "BySidecar";

export interface EnvVar {
	readonly name: string;
	readonly value?: string;
	readonly valueFrom?: unknown;
}

export interface HttpGet {
	readonly path?: string;
	/** A number, or the name of one of the container's ports. */
	readonly port: number | string;
	readonly host?: string;
	readonly scheme?: string;
	readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
}

export interface Probe {
	readonly httpGet?: HttpGet;
	readonly tcpSocket?: { readonly port: number | string; readonly host?: string };
	readonly grpc?: { readonly port: number; readonly service?: string };
	readonly timeoutSeconds?: number;
	readonly periodSeconds?: number;
	readonly [field: string]: unknown;
}

export interface LifecycleHandler {
	readonly httpGet?: HttpGet;
	readonly [field: string]: unknown;
}

export interface Container {
	readonly name: string;
	readonly image?: string;
	readonly args?: readonly string[];
	readonly command?: readonly string[];
	readonly env?: readonly EnvVar[];
	readonly ports?: readonly {
		readonly containerPort: number;
		readonly name?: string;
		readonly protocol?: string;
		readonly hostPort?: number;
	}[];
	readonly volumeMounts?: readonly Readonly<Record<string, unknown>>[];
	readonly resources?: {
		readonly limits?: Readonly<Record<string, string | number>>;
		readonly requests?: Readonly<Record<string, string | number>>;
	};
	readonly readinessProbe?: Probe;
	readonly livenessProbe?: Probe;
	readonly startupProbe?: Probe;
	readonly lifecycle?: { readonly postStart?: LifecycleHandler; readonly preStop?: LifecycleHandler };
	/** `Always` in `initContainers`: a native sidecar. */
	readonly restartPolicy?: string;
	readonly [field: string]: unknown;
}

export interface OwnerReference {
	readonly apiVersion: string;
	readonly kind: string;
	readonly name: string;
	readonly controller?: boolean;
}

export interface PodMeta {
	readonly name?: string;
	readonly generateName?: string;
	readonly namespace?: string;
	readonly labels?: Readonly<Record<string, string>>;
	readonly annotations?: Readonly<Record<string, string>>;
	readonly ownerReferences?: readonly OwnerReference[];
	readonly [field: string]: unknown;
}

export interface PodBody {
	readonly containers: readonly Container[];
	readonly initContainers?: readonly Container[];
	readonly volumes?: readonly Readonly<Record<string, unknown>>[];
	readonly hostNetwork?: boolean;
	readonly serviceAccountName?: string;
	readonly [field: string]: unknown;
}

export interface Pod {
	readonly metadata?: PodMeta;
	readonly spec: PodBody;
	readonly [field: string]: unknown;
}

/** Istio's name: tools find the proxy by it. */
export const proxyContainerName = "istio-proxy";
export const initContainerName = "istio-init";

/** Not a pod: undefined. Only what injection relies on is looked at; the API server has checked the rest, or will. */
export function asPod(value: unknown): Pod | undefined {
	if (!isObject(value) || !isObject(value.spec)) return undefined;
	const { metadata, spec } = value;
	if (metadata !== undefined && metadata !== null && !isObject(metadata)) return undefined;
	if (isObject(metadata) && !(isTexts(metadata.labels) && isTexts(metadata.annotations))) return undefined;
	if (!isContainers(spec.containers) || !(spec.initContainers == null || isContainers(spec.initContainers)))
		return undefined;
	return value as unknown as Pod;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): boolean {
	return value == null || (isObject(value) && Object.values(value).every((text) => typeof text === "string"));
}

function isContainers(value: unknown): boolean {
	return Array.isArray(value) && value.every((item) => isObject(item) && typeof item.name === "string");
}
