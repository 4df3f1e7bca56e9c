// A pod of this node as the agent needs it. In: the object that the API server has. Out: what of it is kept; and with its network
// namespace and addresses, the request that the agent serves it by.

import { renderAppProbes } from "../../inject/app-probe.ts";
import { type InjectedPod, readInjectedPod } from "../../inject/injected-pod.ts";
import type { RawObject } from "../client/api-object.ts";

export interface NodePod {
	readonly uid: string;
	readonly namespace: string;
	readonly name: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly annotations: Readonly<Record<string, string>>;
	readonly serviceAccount: string;
	/** Empty until kubelet has said them. */
	readonly ips: readonly string[];
	/** Undefined: it has no proxy of ours. */
	readonly injected: InjectedPod | undefined;
	/** It has Istio's own sidecar, and asks that its redirect is taken off while that is not ready. */
	readonly wantsAdoption: boolean;
	/** All of its containers have ended for good. */
	readonly isOver: boolean;
	/** It was told to end. */
	readonly isLeaving: boolean;
}

/** On a pod with Istio's own sidecar: `adopt`. */
export const adoptionAnnotation = "keepmesh.io/hot-switch";

interface RawSpec {
	readonly containers?: readonly { readonly name?: string }[];
	readonly initContainers?: readonly { readonly name?: string }[];
	readonly serviceAccountName?: string;
	readonly hostNetwork?: boolean;
}

interface RawStatus {
	readonly phase?: string;
	readonly podIPs?: readonly { readonly ip?: string }[];
}

export function readNodePod(raw: RawObject): NodePod {
	const { annotations = {}, deletionTimestamp, labels = {}, name, namespace = "default", uid } = raw.metadata;
	const spec = (raw.spec ?? {}) as RawSpec;
	const injected = spec.hostNetwork ? undefined : readInjectedPod(raw);
	const hasSidecar = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].some(
		(container) => container.name === "istio-proxy",
	);
	const status = (raw.status ?? {}) as RawStatus;
	return {
		uid,
		namespace,
		name,
		labels,
		annotations,
		serviceAccount: spec.serviceAccountName ?? "default",
		ips: (status.podIPs ?? []).flatMap(({ ip }) => ip ?? []),
		injected,
		wantsAdoption: !injected && hasSidecar && !spec.hostNetwork && annotations[adoptionAnnotation] === "adopt",
		isOver: status.phase === "Succeeded" || status.phase === "Failed",
		isLeaving: deletionTimestamp !== undefined,
	};
}

export interface PodPlace {
	readonly netns: string;
	readonly ips: readonly string[];
	readonly locality: { readonly region: string; readonly zone: string; readonly subzone: string };
}

/** As the body of POST /v1/pods. */
export function podRequest(pod: NodePod, injected: InjectedPod, { ips, locality, netns }: PodPlace): object {
	const { annotations, labels, name, namespace, serviceAccount, uid } = pod;
	const { appMetrics, clusterId, concurrency, dnsCapture, interceptionMode, logLevel, network, ports, probers } =
		injected;
	return {
		name,
		namespace,
		uid,
		ips,
		netns,
		labels,
		annotations: { ...annotations, "sidecar.istio.io/interceptionMode": interceptionMode },
		serviceAccount,
		ports,
		proxy: injected.proxy,
		concurrency,
		workload: injected.workload,
		clusterId,
		network,
		locality,
		dnsCapture,
		container: {
			logLevel,
			...(appMetrics ? { appMetrics } : {}),
			...(probers.size > 0 ? { probes: renderAppProbes(probers) } : {}),
		},
	};
}
