// Objects of a cluster as its API server sends them, for tests of virtual IPs.

import type { AnyObject, ConfigObject } from "../../resources/config-object.ts";
import { readResourceFile } from "../../resources/read-resources.ts";
import type { NodeFacts, VirtualIp } from "../../vip/virtual-ip-config.ts";
import {
	type BalancedService,
	type ClusterNode,
	keepNode,
	keepService,
	keepSlice,
	type LocalEndpoints,
	type RawClusterObject,
} from "./cluster-objects.ts";
import type { ClusterState } from "./node-plan.ts";

export function rawNode(name: string, address: string, extra: object = {}, labels: object = {}): RawClusterObject {
	return {
		metadata: { name, uid: name, resourceVersion: "1", labels: labels as Record<string, string> },
		spec: extra,
		status: { addresses: address.split(",").map((one) => ({ type: "InternalIP", address: one })) },
	};
}

export function node(...given: Parameters<typeof rawNode>): ClusterNode {
	return keepNode(rawNode(...given));
}

export function rawService(name: string, spec: object = {}, annotations: object = {}, ingress: readonly string[] = []) {
	return {
		metadata: {
			namespace: "default",
			name,
			uid: name,
			resourceVersion: "7",
			creationTimestamp: "2026-01-01T00:00:00Z",
			annotations: annotations as Record<string, string>,
		},
		spec: { type: "LoadBalancer", ...spec },
		status: { loadBalancer: ingress.length === 0 ? {} : { ingress: ingress.map((ip) => ({ ip })) } },
	} satisfies RawClusterObject;
}

export function service(...given: Parameters<typeof rawService>): BalancedService {
	const kept = keepService(rawService(...given), { takesClassless: true });
	if (!kept) throw new Error("the Service is not kept");
	return kept;
}

/** Of the namespace default; endpoints as NODE, or NODE:not-ready, or NODE:ending. */
export function slice(of: string, ...endpoints: readonly string[]): LocalEndpoints {
	const kept = keepSlice({
		metadata: {
			namespace: "default",
			name: `${of}-1`,
			uid: of,
			resourceVersion: "1",
			labels: { "kubernetes.io/service-name": of },
		},
		addressType: "IPv4",
		endpoints: endpoints.map((text) => {
			const [nodeName, state = "ready"] = text.split(":");
			return {
				nodeName,
				addresses: ["10.1.0.1"],
				conditions: { ready: state === "ready", serving: state === "ending" },
			};
		}),
	});
	if (!kept) throw new Error("the slice is not kept");
	return kept;
}

export function objectsIn(yaml: string): readonly AnyObject[] {
	const { objects, problems } = readResourceFile("cluster.yaml", yaml);
	const errors = problems.filter(({ severity }) => severity === "error");
	if (errors.length > 0) throw new Error(JSON.stringify(errors));
	return objects;
}

export function virtualIp(name: string, spec: string, namespace = "keepmesh-system"): VirtualIp {
	const head = `apiVersion: keepmesh.io/v1alpha1\nkind: VirtualIP\nmetadata: {name: ${name}, namespace: ${namespace}}\n`;
	return objectsIn(`${head}spec: ${spec}\n`)[0] as VirtualIp;
}

export function pool(name: string, spec: string): ConfigObject<"VirtualIPPool"> {
	const head = `apiVersion: keepmesh.io/v1alpha1\nkind: VirtualIPPool\nmetadata: {name: ${name}}\n`;
	return objectsIn(`${head}spec: ${spec}\n`)[0] as ConfigObject<"VirtualIPPool">;
}

export const threeNodes: readonly ClusterNode[] = [
	node("n1", "10.88.0.11,fd00::11"),
	node("n2", "10.88.0.12,fd00::12"),
	node("n3", "10.88.0.13,fd00::13"),
];

export function clusterOf(parts: Partial<ClusterState>): ClusterState {
	return { nodes: threeNodes, services: [], endpoints: [], virtualIps: [], pools: [], ...parts };
}

export function factsOf(nodeName: string): NodeFacts {
	return {
		nodeName,
		interfaceFor: (address) => (/^(?:10\.88\.0\.|fd00::)/.test(address) ? "eth0" : undefined),
		key: ({ secretName, namespace }) => (secretName === "vrrp" && namespace === "keepmesh-system" ? "k" : undefined),
	};
}
