// A pod of the lab as data, and the Kubernetes objects that tell others about it: what an API server would hold.

import { compareText } from "../../resources/config-object.ts";
import type { KubernetesServicePort, PodTemplateSpec, ServiceSpec } from "../../resources/kinds/core.ts";
import { hashName } from "./text-hash.ts";

export interface LabContainer {
	readonly name: string;
	readonly running: boolean;
	readonly ready: boolean;
	readonly restarts: number;
	/** Why it is not running or not ready; empty when it is. */
	readonly because: string;
}

export interface LabPod {
	readonly name: string;
	readonly namespace: string;
	readonly uid: string;
	/** `Deployment/default/reviews-v1`, or `Pod/default/NAME` for one that was written as a Pod. */
	readonly owner: string;
	readonly templateHash: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly annotations: Readonly<Record<string, string>>;
	readonly spec: PodTemplateSpec;
	readonly node: string;
	/** Empty until it has one. */
	readonly address: string;
	readonly netns: string;
	readonly createdMs: number;
	readonly deletedMs?: number;
	readonly readySinceMs?: number;
	readonly proxy: "none" | "starting" | "ready";
	readonly containers: readonly LabContainer[];
	/** What it waits for, or what went wrong; empty when all is well. */
	readonly message: string;
}

/** One word, as `kubectl get pods` shows it. */
export function podStatusWord(pod: LabPod): string {
	if (pod.deletedMs !== undefined) return "Terminating";
	if (pod.message !== "") return pod.message.split(":")[0] ?? pod.message;
	const waiting = pod.containers.find((container) => !container.running);
	if (waiting) return waiting.because.split(":")[0] || "ContainerCreating";
	return pod.address === "" ? "Pending" : "Running";
}

/** As `apiVersion: v1, kind: Pod` with the status that endpoints and people read. */
export function renderPodObject(pod: LabPod): object {
	const ready = pod.readySinceMs !== undefined && pod.deletedMs === undefined;
	const running = pod.containers.some((container) => container.running);
	return {
		apiVersion: "v1",
		kind: "Pod",
		metadata: {
			name: pod.name,
			namespace: pod.namespace,
			uid: pod.uid,
			labels: pod.labels,
			annotations: pod.annotations,
			creationTimestamp: timestamp(pod.createdMs),
			...(pod.deletedMs === undefined ? {} : { deletionTimestamp: timestamp(pod.deletedMs) }),
		},
		spec: { ...pod.spec, nodeName: pod.node },
		status: {
			phase: running || pod.proxy === "ready" ? "Running" : "Pending",
			...(pod.address === "" ? {} : { podIP: pod.address, podIPs: [{ ip: pod.address }] }),
			conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
		},
	};
}

export interface SelectingService {
	readonly name: string;
	readonly namespace: string;
	readonly spec: ServiceSpec;
}

export interface NamedObject {
	readonly name: string;
	readonly object: object;
}

/** EndpointSlices of a service: one for each set of port numbers, since a named port may differ from pod to pod. */
export function renderEndpointSlices(service: SelectingService, pods: readonly LabPod[]): readonly NamedObject[] {
	const { selector } = service.spec;
	if (!selector || Object.keys(selector).length === 0 || service.spec.type === "ExternalName") return [];
	const groups = new Map<string, { readonly ports: readonly object[]; readonly members: LabPod[] }>();
	for (const pod of [...pods].sort((a, b) => compareText(a.name, b.name))) {
		if (pod.namespace !== service.namespace || pod.address === "" || !hasLabels(pod, selector)) continue;
		const ports = (service.spec.ports ?? []).flatMap((port) => slicePort(port, pod));
		const key = JSON.stringify(ports);
		const group = groups.get(key) ?? { ports, members: [] };
		groups.set(key, group);
		group.members.push(pod);
	}
	return [...groups].map(([key, { ports, members }]) => {
		const name = `${service.name}-${hashName(key, 5)}`;
		return {
			name,
			object: {
				apiVersion: "discovery.k8s.io/v1",
				kind: "EndpointSlice",
				metadata: {
					name,
					namespace: service.namespace,
					labels: { "kubernetes.io/service-name": service.name },
				},
				addressType: "IPv4",
				ports,
				endpoints: members.map((pod) => sliceEndpoint(pod, service.spec.publishNotReadyAddresses === true)),
			},
		};
	});
}

/**
 * All that an API server would hold of these, in the order in which it must be written: pods before the slices that name
 * them, but pods that are leaving after them. A reader takes a leaving pod out at once, and its successor comes by the slice.
 */
export function renderStatus(pods: readonly LabPod[], services: readonly SelectingService[]): readonly NamedObject[] {
	const known = pods.filter((pod) => pod.address !== "");
	const podObject = (pod: LabPod): NamedObject => ({
		name: `Pod.${pod.namespace}.${pod.name}`,
		object: renderPodObject(pod),
	});
	return [
		...known.filter((pod) => pod.deletedMs === undefined).map(podObject),
		...services.flatMap((service) =>
			renderEndpointSlices(service, known).map(({ name, object }) => ({
				name: `EndpointSlice.${service.namespace}.${name}`,
				object,
			})),
		),
		...known.filter((pod) => pod.deletedMs !== undefined).map(podObject),
	];
}

function sliceEndpoint(pod: LabPod, publishNotReady: boolean): object {
	const serving = pod.readySinceMs !== undefined;
	const terminating = pod.deletedMs !== undefined;
	return {
		addresses: [pod.address],
		conditions: {
			ready: publishNotReady || (serving && !terminating),
			serving: publishNotReady || serving,
			terminating,
		},
		...(pod.spec.hostname ? { hostname: pod.spec.hostname } : {}),
		nodeName: pod.node,
		targetRef: { kind: "Pod", name: pod.name, namespace: pod.namespace },
	};
}

function slicePort(port: KubernetesServicePort, pod: LabPod): readonly object[] {
	const target = port.targetPort ?? port.port;
	const number = typeof target === "number" ? target : containerPort(pod, target);
	if (number === undefined) return [];
	return [
		{
			...(port.name ? { name: port.name } : {}),
			port: number,
			protocol: port.protocol ?? "TCP",
			...(port.appProtocol ? { appProtocol: port.appProtocol } : {}),
		},
	];
}

function containerPort(pod: LabPod, name: string): number | undefined {
	const ports = (pod.spec.containers ?? []).flatMap((container) => container.ports ?? []);
	if (/^\d+$/.test(name)) return Number(name);
	return ports.find((port) => port.name === name)?.containerPort;
}

function hasLabels(pod: LabPod, selector: Readonly<Record<string, string>>): boolean {
	return Object.entries(selector).every(([key, value]) => pod.labels[key] === value);
}

function timestamp(ms: number): string {
	return new Date(ms).toISOString();
}
