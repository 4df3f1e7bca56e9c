// Layer 4 on every node of a cluster that has no kube-proxy: a DaemonSet with what it may read, as docs/kubernetes/layer4.md shows it.

import { keepmeshImage } from "../../cluster/images/image-names.ts";
import { apiPort, type ClusterShape } from "../../cluster/plan/cluster-shape.ts";

export const layer4Namespace = "keepmesh-system";
const name = "keepmesh-layer4";
const labels = { "app.kubernetes.io/name": name };
const read = ["get", "list", "watch"];

/** `flags`: more of `keepmesh l4 run`. */
export function layer4Objects({ controlPlane }: ClusterShape, flags: readonly string[] = []): readonly object[] {
	const rbac = "rbac.authorization.k8s.io";
	const subjects = [{ kind: "ServiceAccount", name, namespace: layer4Namespace }];
	return [
		{ apiVersion: "v1", kind: "Namespace", metadata: { name: layer4Namespace } },
		{ apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace: layer4Namespace } },
		{
			apiVersion: `${rbac}/v1`,
			kind: "ClusterRole",
			metadata: { name },
			rules: [
				{ apiGroups: [""], resources: ["services", "nodes"], verbs: read },
				{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: read },
			],
		},
		{
			apiVersion: `${rbac}/v1`,
			kind: "ClusterRoleBinding",
			metadata: { name },
			roleRef: { apiGroup: rbac, kind: "ClusterRole", name },
			subjects,
		},
		{
			apiVersion: `${rbac}/v1`,
			kind: "Role",
			metadata: { name, namespace: layer4Namespace },
			rules: [{ apiGroups: [""], resources: ["configmaps"], resourceNames: ["keepmesh-lost-nodes"], verbs: read }],
		},
		{
			apiVersion: `${rbac}/v1`,
			kind: "RoleBinding",
			metadata: { name, namespace: layer4Namespace },
			roleRef: { apiGroup: rbac, kind: "Role", name },
			subjects,
		},
		{
			apiVersion: "apps/v1",
			kind: "DaemonSet",
			metadata: { name, namespace: layer4Namespace, labels },
			spec: {
				selector: { matchLabels: labels },
				template: {
					metadata: { labels },
					spec: {
						serviceAccountName: name,
						hostNetwork: true,
						priorityClassName: "system-node-critical",
						tolerations: [{ operator: "Exists" }],
						terminationGracePeriodSeconds: 5,
						containers: [
							{
								name: "layer4",
								image: keepmeshImage,
								args: ["l4", "run", "--kubernetes", "--node=$(NODE_NAME)", "--state=/run/keepmesh/layer4", ...flags],
								env: [
									{ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
									// The API server's own address: its Service is one of those that are yet to be balanced.
									{ name: "KUBERNETES_SERVICE_HOST", value: controlPlane.ip },
									{ name: "KUBERNETES_SERVICE_PORT", value: String(apiPort) },
								],
								securityContext: {
									runAsUser: 0,
									capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "NET_RAW", "SYS_ADMIN"] },
								},
								readinessProbe: { httpGet: { path: "/healthz", port: 10256 }, periodSeconds: 1 },
								volumeMounts: [{ name: "run", mountPath: "/run/keepmesh" }],
							},
						],
						volumes: [{ name: "run", hostPath: { path: "/run/keepmesh", type: "DirectoryOrCreate" } }],
					},
				},
			},
		},
	];
}
