// The container that a pod's Envoy runs in, and its environment: the names are Istio's, so that tools and the pod's node find there
// what the mesh knew when the pod was made. docs/kubernetes/injection.md, "The proxy's container", is its contract with the node.

import type { InjectConfig } from "./inject-config.ts";
import { type Container, type EnvVar, initContainerName, type Pod, proxyContainerName } from "./pod-shape.ts";
import { type NamedFields, type ProxySettings, proxyUid } from "./proxy-settings.ts";
import { workloadOf } from "./workload-of.ts";

export const proxyVolumeName = "istio-envoy";
export const proxyDirectory = "/etc/istio/proxy";
export const readinessPort = 15_021;

export type ProxyRole = "sidecar" | "router";

export interface ProxyContainerInput {
	readonly pod: Pod;
	readonly namespace: string;
	readonly role: ProxyRole;
	readonly settings: ProxySettings;
	readonly config: InjectConfig;
}

export function proxyContainer(input: ProxyContainerInput): Container {
	const { config, role, settings } = input;
	const isNative = role === "sidecar" && settings.native;
	const isHeldByHook = isNative && config.cni;
	const ready = { httpGet: { path: "/healthz/ready", port: readinessPort }, timeoutSeconds: 3 };
	return {
		name: proxyContainerName,
		image: settings.image,
		imagePullPolicy: config.imagePullPolicy,
		args: ["proxy", role],
		...(isNative ? { restartPolicy: "Always" } : {}),
		lifecycle: lifecycle(role, settings, isHeldByHook),
		env: proxyEnvironment(input),
		ports: [{ containerPort: 15_090, name: "http-envoy-prom", protocol: "TCP" }],
		...(isHeldByHook ? {} : { startupProbe: { ...ready, periodSeconds: 1, failureThreshold: 600 } }),
		readinessProbe: { ...ready, ...settings.readiness },
		resources: settings.resources,
		securityContext: securityContext(settings),
		volumeMounts: [{ name: proxyVolumeName, mountPath: proxyDirectory }, ...settings.volumeMounts],
	};
}

/** Where nothing holds the application back, and no plug-in has set the redirect: it waits until the node has. */
export function redirectWaiter({ config, settings }: ProxyContainerInput): Container {
	return {
		name: initContainerName,
		image: settings.image,
		imagePullPolicy: config.imagePullPolicy,
		args: ["proxy", "wait-redirect"],
		resources: settings.resources,
		securityContext: securityContext({ ...settings, interceptionMode: "REDIRECT" }),
	};
}

/**
 * A plain container ends together with the application: it must first let what is under way come to its end. A native one ends after it,
 * which may be at once: callers that have not heard yet must not find their connections cut.
 */
function lifecycle(role: ProxyRole, { hold, native }: ProxySettings, isHeldByHook: boolean): object {
	const isNative = role === "sidecar" && native;
	return {
		...(isHeldByHook || (role === "sidecar" && !isNative && hold) ? { postStart: hook("wait") } : {}),
		preStop: isNative ? hook("drain", "inbound") : hook("drain"),
	};
}

const hook = (...words: readonly string[]) => ({ exec: { command: ["keepmesh", "proxy", ...words] } });

/** Fits Kubernetes' `restricted` pod security, but for TPROXY: only root may keep the capability that it needs. */
function securityContext({ interceptionMode }: Pick<ProxySettings, "interceptionMode">): object {
	const isTransparent = interceptionMode === "TPROXY";
	return {
		allowPrivilegeEscalation: false,
		capabilities: { drop: ["ALL"], ...(isTransparent ? { add: ["NET_ADMIN"] } : {}) },
		privileged: false,
		readOnlyRootFilesystem: true,
		runAsGroup: proxyUid,
		runAsNonRoot: !isTransparent,
		runAsUser: isTransparent ? 0 : proxyUid,
		seccompProfile: { type: "RuntimeDefault" },
	};
}

function proxyEnvironment({ config, namespace, pod, settings }: ProxyContainerInput): readonly EnvVar[] {
	const meta = pod.metadata ?? {};
	const apps = pod.spec.containers.filter(({ name }) => name !== proxyContainerName);
	const workload = workloadOf(meta, namespace);
	const network = meta.labels?.["topology.istio.io/network"] ?? config.network;
	const field = (name: string, fieldPath: string): EnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } });
	const texts: Readonly<Record<string, string>> = {
		TRUST_DOMAIN: config.trustDomain,
		PROXY_CONFIG: JSON.stringify(settings.proxyConfig),
		ISTIO_META_POD_PORTS: JSON.stringify(apps.flatMap(({ ports }) => (ports ?? []).map(portOf))),
		ISTIO_META_APP_CONTAINERS: apps.map(({ name }) => name).join(","),
		ISTIO_META_CLUSTER_ID: config.clusterId,
		ISTIO_META_INTERCEPTION_MODE: settings.interceptionMode,
		...(network === "" ? {} : { ISTIO_META_NETWORK: network }),
		ISTIO_META_WORKLOAD_NAME: workload.name,
		ISTIO_META_OWNER: workload.owner,
		ISTIO_META_MESH_ID: config.meshId,
		KEEPMESH_LOG_LEVEL: settings.logLevel,
		...metadataVariables(settings.proxyConfig),
	};
	return [
		field("POD_NAME", "metadata.name"),
		field("POD_NAMESPACE", "metadata.namespace"),
		field("INSTANCE_IP", "status.podIP"),
		field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
		field("HOST_IP", "status.hostIP"),
		field("ISTIO_META_NODE_NAME", "spec.nodeName"),
		...Object.entries(texts).map(([name, value]): EnvVar => ({ name, value })),
	];
}

function portOf({ containerPort, name, protocol }: NonNullable<Container["ports"]>[number]): object {
	return { ...(name ? { name } : {}), containerPort, ...(protocol ? { protocol } : {}) };
}

/** ProxyConfig's proxyMetadata becomes environment, as Istio documents it. */
function metadataVariables({ proxyMetadata }: NamedFields): Readonly<Record<string, string>> {
	if (typeof proxyMetadata !== "object" || proxyMetadata === null) return {};
	return Object.fromEntries(Object.entries(proxyMetadata).map(([name, value]) => [name, String(value)]));
}
