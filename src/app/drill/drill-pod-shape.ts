// What a drill asks for of a pod, and the pod that Kubernetes is asked for. The program in it is src/kubernetes/drill/drill-peer.ts.

import {
	agentDirectory,
	faultDirectory,
	orderPort,
	servedPort,
	tokenVariable,
} from "../../kubernetes/drill/drill-order.ts";

export interface DrillPodShape {
	/** Its label, and what its name begins with. */
	readonly app: string;
	/** Default false: it is no part of the mesh. */
	readonly proxy?: boolean;
	/** Default: the drill's first. */
	readonly node?: string;
	/** It sees all processes of its node, and reaches the node's agent. Default false. */
	readonly privileged?: boolean;
	/** In the network of its node; give it ports that are free there. Default false. */
	readonly hostNetwork?: boolean;
	readonly orderPort?: number;
	readonly servedPort?: number;
	/** It serves on for so long after it was told to end. Default 0. */
	readonly lingerMs?: number;
	readonly serviceAccount?: string;
	readonly labels?: Readonly<Record<string, string>>;
	readonly annotations?: Readonly<Record<string, string>>;
}

export interface PodSurroundings {
	/** Known to the drill and its pods. */
	readonly token?: string;
	/** Keepmesh's own image: it holds what runs in the pods. */
	readonly image: string;
	/** On which pods of Deployments may be; the first is where pods are that do not say. */
	readonly nodes: readonly string[];
	/** Directory of the nodes' agents, on the nodes. Absent: there are no agents. */
	readonly state?: string;
}

const peer = "/opt/keepmesh/src/kubernetes/drill/drill-peer.ts";
const hostname = "kubernetes.io/hostname";

export function podOf(shape: DrillPodShape, name: string, surroundings: PodSurroundings): object {
	const { metadata, spec } = templateOf(shape, surroundings);
	const nodeName = shape.node ?? surroundings.nodes[0];
	return { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, name }, spec: { ...spec, nodeName } };
}

/** Spread over the drill's nodes. */
export function deploymentOf(shape: DrillPodShape, replicas: number, surroundings: PodSurroundings): object {
	const { metadata, spec } = templateOf(shape, surroundings);
	const isOurs = { matchExpressions: [{ key: hostname, operator: "In", values: surroundings.nodes }] };
	const selector = { matchLabels: { app: shape.app } };
	return {
		apiVersion: "apps/v1",
		kind: "Deployment",
		metadata: { name: shape.app },
		spec: {
			replicas,
			selector,
			// A server that comes takes the place of one that leaves, never the other way round.
			strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
			template: {
				metadata,
				spec: {
					...spec,
					affinity: {
						nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [isOurs] } },
					},
					topologySpreadConstraints: [
						{ maxSkew: 1, topologyKey: hostname, whenUnsatisfiable: "ScheduleAnyway", labelSelector: selector },
					],
				},
			},
		},
	};
}

function templateOf(shape: DrillPodShape, { image, state, token }: PodSurroundings) {
	const { app, hostNetwork = false, lingerMs = 0, privileged = false, proxy = false } = shape;
	const [orders, served] = [shape.orderPort ?? orderPort, shape.servedPort ?? servedPort];
	const flags = { "--linger-ms": lingerMs, "--order-port": orders, "--served-port": served };
	return {
		metadata: {
			labels: { app, "sidecar.istio.io/inject": String(proxy), ...shape.labels },
			annotations: {
				"traffic.sidecar.istio.io/excludeInboundPorts": String(orders),
				"sidecar.istio.io/proxyImage": image,
				...shape.annotations,
			},
		},
		spec: {
			...(shape.serviceAccount === undefined ? {} : { serviceAccountName: shape.serviceAccount }),
			...(hostNetwork ? { hostNetwork, dnsPolicy: "ClusterFirstWithHostNet" } : {}),
			...(privileged ? { hostPID: true } : {}),
			// Time to undo what it has done to its node.
			terminationGracePeriodSeconds: (privileged ? 10 : 1) + Math.ceil(lingerMs / 1000),
			tolerations: [{ operator: "Exists" }],
			containers: [
				{
					name: "peer",
					image,
					command: [
						"node",
						"--no-warnings",
						peer,
						...Object.entries(flags).flatMap(([flag, value]) => [flag, `${value}`]),
					],
					...(token === undefined ? {} : { env: [{ name: tokenVariable, value: token }] }),
					ports: [{ containerPort: served, name: "http" }],
					// Nobody waits long for it, and a busy machine takes it from nobody.
					readinessProbe: { tcpSocket: { port: orders }, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 20 },
					...(privileged
						? {
								securityContext: { privileged },
								volumeMounts: [
									...(state === undefined ? [] : [{ name: "agent", mountPath: agentDirectory }]),
									{ name: "faults", mountPath: faultDirectory },
								],
							}
						: {}),
				},
			],
			...(privileged
				? {
						volumes: [
							...(state === undefined ? [] : [{ name: "agent", hostPath: { path: state, type: "Directory" } }]),
							{ name: "faults", emptyDir: {} },
						],
					}
				: {}),
		},
	};
}
