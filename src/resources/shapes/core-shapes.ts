// Fields of Kubernetes' kinds that the mesh reads. All others are let through: those kinds have hundreds.

import {
	any,
	choice,
	flag,
	hidden,
	labels,
	list,
	map,
	openStruct,
	port,
	portOrZero,
	smallCount,
	someTexts,
	text,
	texts,
	whole,
	wholeOrText,
} from "./shape.ts";

const protocol = choice("TCP", "UDP", "SCTP");
const scope = choice("Cluster", "Local");
const named = list(openStruct({ name: text }, "name"));

export const serviceShape = openStruct({
	type: choice("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
	clusterIP: text,
	clusterIPs: texts,
	externalIPs: texts,
	externalName: text,
	selector: labels,
	ports: list(
		openStruct(
			{ name: text, port, targetPort: wholeOrText, protocol, appProtocol: text, nodePort: portOrZero },
			"port",
		),
	),
	publishNotReadyAddresses: flag,
	sessionAffinity: choice("None", "ClientIP"),
	sessionAffinityConfig: openStruct({
		clientIP: openStruct({ timeoutSeconds: whole(1, 86_400, "a number of seconds from 1 to 86400") }),
	}),
	trafficDistribution: text,
	externalTrafficPolicy: scope,
	internalTrafficPolicy: scope,
	healthCheckNodePort: portOrZero,
	loadBalancerSourceRanges: texts,
	loadBalancerIP: text,
	loadBalancerClass: text,
	allocateLoadBalancerNodePorts: flag,
	ipFamilies: list(choice("IPv4", "IPv6"), 0, 2),
	ipFamilyPolicy: choice("SingleStack", "PreferDualStack", "RequireDualStack"),
});

export const serviceStatusShape = openStruct({
	loadBalancer: openStruct({
		ingress: list(openStruct({ ip: text, ipMode: choice("VIP", "Proxy"), hostname: text })),
	}),
});

/** An EndpointSlice has no spec: these are its top-level fields. */
export const endpointSliceShape = openStruct(
	{
		addressType: choice("IPv4", "IPv6", "FQDN"),
		endpoints: list(
			openStruct(
				{
					addresses: someTexts,
					conditions: openStruct({ ready: flag, serving: flag, terminating: flag }),
					hostname: text,
					nodeName: text,
					zone: text,
					targetRef: openStruct({ kind: text, name: text, namespace: text }),
					hints: openStruct({ forZones: named, forNodes: named }),
				},
				"addresses",
			),
		),
		ports: list(openStruct({ name: text, port: portOrZero, protocol, appProtocol: text })),
	},
	"addressType",
);

const probe = openStruct({
	httpGet: openStruct({ path: text, port: wholeOrText, scheme: text }, "port"),
	tcpSocket: openStruct({ port: wholeOrText }, "port"),
	exec: openStruct({ command: texts }),
	grpc: openStruct({ port, service: text }, "port"),
	initialDelaySeconds: smallCount,
	periodSeconds: smallCount,
	timeoutSeconds: smallCount,
	successThreshold: smallCount,
	failureThreshold: smallCount,
});

const container = openStruct(
	{
		name: text,
		image: text,
		command: texts,
		args: texts,
		workingDir: text,
		env: list(openStruct({ name: text, value: text, valueFrom: any }, "name")),
		ports: list(openStruct({ name: text, containerPort: port, protocol }, "containerPort")),
		readinessProbe: probe,
		livenessProbe: probe,
		startupProbe: probe,
		lifecycle: openStruct({
			preStop: openStruct({
				exec: openStruct({ command: texts }),
				sleep: openStruct({ seconds: smallCount }, "seconds"),
			}),
		}),
	},
	"name",
);

export const podSpecShape = openStruct({
	serviceAccountName: text,
	nodeName: text,
	hostNetwork: flag,
	hostname: text,
	subdomain: text,
	terminationGracePeriodSeconds: smallCount,
	containers: list(container),
	initContainers: list(container),
	volumes: list(openStruct({ name: text })),
});

export const podStatusShape = openStruct({
	podIP: text,
	podIPs: list(openStruct({ ip: text }, "ip")),
	phase: text,
	conditions: list(openStruct({ type: text, status: text }, "type", "status")),
});

export const deploymentShape = openStruct(
	{
		replicas: smallCount,
		selector: openStruct({ matchLabels: labels }),
		strategy: openStruct({
			type: choice("RollingUpdate", "Recreate"),
			rollingUpdate: openStruct({ maxSurge: wholeOrText, maxUnavailable: wholeOrText }),
		}),
		minReadySeconds: smallCount,
		template: openStruct({ metadata: openStruct({ labels, annotations: labels }), spec: podSpecShape }, "spec"),
	},
	"template",
);

export const secretShape = openStruct({ type: text, data: map(hidden), stringData: map(hidden) });

export const emptyShape = openStruct({});

export const metadataShape = openStruct(
	{
		name: text,
		namespace: text,
		labels,
		annotations: labels,
		creationTimestamp: text,
		deletionTimestamp: text,
		uid: text,
		generation: smallCount,
	},
	"name",
);
