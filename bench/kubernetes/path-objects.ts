// What stands behind the virtual IP while the whole path is measured: a gateway's rule, and servers of the mesh, STRICT, of which
// evictions may take one at a time.

import { nodeImage } from "../../cluster/images/image-names.ts";

export const pathNamespace = "whole-path";
export const gatewayName = "istio-ingressgateway";
export const gatewayNamespace = "istio-ingress";
/** One for each node, so that the address's owner has one as well. */
export const gatewayReplicas = 3;
const serverReplicas = 3;
/** Of the gateway's pods; their Service has it at 80. */
const gatewayPort = 8080;
const serverPort = 8080;

export const addressPool = (machinePrefix: string): string => `${machinePrefix}.100-${machinePrefix}.109`;

/** Answers after some milliseconds, as a server with something to do; told to end, it takes nothing new and ends what it has begun. */
const server = `const http = require("http");
const server = http.createServer((request, response) => setTimeout(() => response.end(process.env.POD_NAME), 5));
server.listen(${serverPort});
process.on("SIGTERM", () => server.close(() => process.exit(0)));`;

export function pathNamespaceObject(): object {
	const labels = { "istio-injection": "enabled" };
	return { apiVersion: "v1", kind: "Namespace", metadata: { name: pathNamespace, labels } };
}

export function pathObjects(): readonly object[] {
	const labels = { app: "server" };
	const metadata = { name: "server", namespace: pathNamespace };
	return [
		{
			apiVersion: "v1",
			kind: "Service",
			metadata,
			spec: { selector: labels, ports: [{ name: "http", port: 80, targetPort: serverPort }] },
		},
		{
			apiVersion: "apps/v1",
			kind: "Deployment",
			metadata,
			spec: {
				replicas: serverReplicas,
				selector: { matchLabels: labels },
				strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
				template: { metadata: { labels }, spec: serverPod(labels) },
			},
		},
		{
			apiVersion: "policy/v1",
			kind: "PodDisruptionBudget",
			metadata,
			spec: { maxUnavailable: 1, selector: { matchLabels: labels } },
		},
		{
			apiVersion: "security.istio.io/v1",
			kind: "PeerAuthentication",
			metadata: { name: "default", namespace: pathNamespace },
			spec: { mtls: { mode: "STRICT" } },
		},
		{
			apiVersion: "networking.istio.io/v1",
			kind: "Gateway",
			metadata,
			spec: {
				selector: { istio: "ingressgateway" },
				servers: [{ port: { number: gatewayPort, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
			},
		},
		{
			apiVersion: "networking.istio.io/v1",
			kind: "VirtualService",
			metadata,
			spec: {
				hosts: ["*"],
				gateways: ["server"],
				http: [{ route: [{ destination: { host: "server", port: { number: 80 } } }] }],
			},
		},
	];
}

function serverPod(labels: Readonly<Record<string, string>>): object {
	const onEachNode = {
		maxSkew: 1,
		topologyKey: "kubernetes.io/hostname",
		whenUnsatisfiable: "ScheduleAnyway",
		matchLabelKeys: ["pod-template-hash"],
		labelSelector: { matchLabels: labels },
	};
	return {
		topologySpreadConstraints: [onEachNode],
		containers: [
			{
				name: "server",
				image: nodeImage,
				imagePullPolicy: "Never",
				command: ["node", "-e", server],
				env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
				ports: [{ containerPort: serverPort }],
				readinessProbe: { httpGet: { path: "/", port: serverPort }, periodSeconds: 1 },
			},
		],
	};
}
