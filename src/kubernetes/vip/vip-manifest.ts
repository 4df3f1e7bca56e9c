// The static pod that holds the API server's own address on the machines of a control plane. In: the address and how the machines
// know each other. Out: the pod; what it is to hold stands in an annotation of it, so that it needs neither an API server nor a file
// beside it, and the pod is one of all machines.
// https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/

import type { VirtualIPSpec } from "../../resources/kinds/virtual-ip.ts";
import { numberOf } from "../../resources/text/address-span.ts";

export interface VipManifestOptions {
	/** `10.0.0.100/24` */
	readonly address: string;
	/** Default: the last byte of the address. */
	readonly virtualRouterId?: number;
	/** Default: the one whose network holds the address. */
	readonly interface?: string;
	/** Of the API server. */
	readonly port: number;
	/** Speak unicast, the first one is preferred. Empty: multicast. */
	readonly nodes: readonly { readonly name: string; readonly address: string }[];
	readonly image: string;
	/** On the machines. Undefined: no cluster is followed, ever. */
	readonly kubeconfig?: string;
}

const annotation = "keepmesh.io/virtual-ips";
const directory = "/etc/keepmesh-vip";
const state = "/run/keepmesh-vip";

export function vipManifest(options: VipManifestOptions): object {
	const { image, kubeconfig } = options;
	const volumes = [
		{ name: "virtual-ips", path: directory, source: annotationFile },
		{ name: "state", path: state, source: { hostPath: { path: "/var/lib/keepmesh/vip", type: "DirectoryOrCreate" } } },
		// The directory and not the file, which may be written later, and anew.
		...(kubeconfig === undefined
			? []
			: [
					{
						name: "kubeconfig",
						path: directoryOf(kubeconfig),
						readOnly: true,
						source: { hostPath: { path: directoryOf(kubeconfig), type: "DirectoryOrCreate" } },
					},
				]),
	];
	return {
		apiVersion: "v1",
		kind: "Pod",
		metadata: {
			name: "keepmesh-vip",
			namespace: "kube-system",
			labels: { "app.kubernetes.io/name": "keepmesh-vip", "app.kubernetes.io/part-of": "keepmesh" },
			annotations: { [annotation]: `${JSON.stringify(virtualIpOf(options), null, "  ")}\n` },
		},
		spec: {
			hostNetwork: true,
			priorityClassName: "system-node-critical",
			terminationGracePeriodSeconds: 30,
			containers: [
				{
					name: "vip",
					image,
					imagePullPolicy: "IfNotPresent",
					args: [
						"vip",
						"run",
						"--node=$(NODE_NAME)",
						`--resources=${directory}`,
						...(kubeconfig === undefined ? [] : ["--kubernetes", `--kubeconfig=${kubeconfig}`]),
					],
					env: [{ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
					resources: { requests: { cpu: "50m", memory: "128Mi" } },
					securityContext: {
						runAsUser: 0,
						allowPrivilegeEscalation: false,
						capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "NET_RAW", "SYS_NICE"] },
					},
					volumeMounts: volumes.map(({ name, path, ...rest }) => ({
						name,
						mountPath: path,
						...("readOnly" in rest ? { readOnly: true } : {}),
					})),
				},
			],
			volumes: volumes.map(({ name, source }) => ({ name, ...source })),
		},
	};
}

const annotationFile = {
	downwardAPI: {
		items: [{ path: "virtual-ips.yaml", fieldRef: { fieldPath: `metadata.annotations['${annotation}']` } }],
	},
};

function virtualIpOf({ address, interface: link, nodes, port, virtualRouterId }: VipManifestOptions): object {
	const value = numberOf(address.split("/")[0] ?? "")?.value ?? 1n;
	const spec: VirtualIPSpec = {
		addresses: [address],
		virtualRouterId: virtualRouterId ?? (Number(value & 255n) || 1),
		...(link === undefined ? {} : { interface: link }),
		...(nodes.length === 0
			? {}
			: {
					transport: { type: "unicast" },
					nodes: nodes.map((node, index) => ({
						node: node.name,
						sourceAddress: node.address,
						priority: Math.max(1, 200 - index),
					})),
				}),
		checks: [{ name: "apiserver", apiServer: { port } }],
	};
	return {
		apiVersion: "keepmesh.io/v1alpha1",
		kind: "VirtualIP",
		metadata: { name: "kube-apiserver", namespace: "kube-system" },
		spec,
	};
}

function directoryOf(path: string): string {
	return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}
