// The measured mesh as files, the way a person or a generator would write them: Kubernetes services with endpoints; every
// tenth has pods, subsets, a canary with a header rule and a time limit, and outlier detection.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";

const endpointsPerService = 20;
const namespace = "bench";

export function writeMeshFiles(directory: string, services: number): void {
	mkdirSync(join(directory, "endpoints"), { recursive: true });
	const kinds = new Map<string, object[]>();
	const add = (file: string, manifest: object): void => {
		kinds.set(file, [...(kinds.get(file) ?? []), manifest]);
	};
	for (let index = 0; index < services; index++) {
		const name = serviceName(index);
		const metadata = { name, namespace };
		const ports = [{ name: "http", port: 8080, protocol: "TCP", targetPort: 8080 }];
		const clusterIP = `10.96.${index >> 8}.${index & 255}`;
		add(`services-${index % 10}.yaml`, {
			apiVersion: "v1",
			kind: "Service",
			metadata: { ...metadata, labels: { app: name } },
			spec: { clusterIP, ports, selector: { app: name } },
		});
		moveEndpoint(directory, index, 0);
		if (index % 10 !== 0) continue;
		for (let member = 0; member < endpointsPerService; member++) add("pods.yaml", pod(index, member));
		add("rules.yaml", {
			apiVersion: "networking.istio.io/v1",
			kind: "DestinationRule",
			metadata,
			spec: {
				host: name,
				trafficPolicy: { outlierDetection: { consecutive5xxErrors: 5 } },
				subsets: ["v1", "v2"].map((version) => ({ name: version, labels: { version } })),
			},
		});
		const v1 = { host: name, subset: "v1" };
		const v2 = { host: name, subset: "v2" };
		add("rules.yaml", {
			apiVersion: "networking.istio.io/v1",
			kind: "VirtualService",
			metadata,
			spec: {
				hosts: [name],
				http: [
					{ match: [{ headers: { "end-user": { exact: "jason" } } }], route: [{ destination: v2 }] },
					{
						route: [
							{ destination: v1, weight: 90 },
							{ destination: v2, weight: 10 },
						],
						timeout: "10s",
						retries: { attempts: 3 },
					},
				],
			},
		});
	}
	for (const [file, manifests] of kinds)
		writeFileSync(join(directory, file), manifests.map((manifest) => stringify(manifest)).join("---\n"));
}

/** Replaces the service's endpoints by rename, with the last one at another address for each generation. */
export function moveEndpoint(directory: string, index: number, generation: number): void {
	const name = serviceName(index);
	const slice = {
		apiVersion: "discovery.k8s.io/v1",
		kind: "EndpointSlice",
		metadata: { name, namespace, labels: { "kubernetes.io/service-name": name } },
		addressType: "IPv4",
		ports: [{ name: "http", port: 8080, protocol: "TCP" }],
		endpoints: Array.from({ length: endpointsPerService }, (_, member) => ({
			addresses: [address(index, member, member === endpointsPerService - 1 ? generation : 0)],
			conditions: { ready: true },
			...(index % 10 === 0 && { targetRef: { kind: "Pod", name: podName(index, member), namespace } }),
		})),
	};
	const file = join(directory, "endpoints", `${name}.yaml`);
	writeFileSync(`${file}.new`, stringify(slice));
	renameSync(`${file}.new`, file);
}

function pod(index: number, member: number): object {
	const labels = { app: serviceName(index), version: `v${(member % 2) + 1}` };
	return {
		apiVersion: "v1",
		kind: "Pod",
		metadata: { name: podName(index, member), namespace, labels },
		spec: { serviceAccountName: "default" },
		status: {
			podIP: address(index, member, 0),
			phase: "Running",
			conditions: [{ type: "Ready", status: "True" }],
		},
	};
}

const serviceName = (index: number): string => `service-${String(index).padStart(4, "0")}`;
const podName = (index: number, member: number): string => `${serviceName(index)}-${member}`;
const address = (index: number, member: number, generation: number): string =>
	`10.${16 + (index >> 8)}.${index & 255}.${generation === 0 ? member + 1 : 40 + (generation % 200)}`;
