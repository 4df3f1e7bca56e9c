// CoreDNS as Kubernetes objects, in the order in which they are made.
// https://kubernetes.io/docs/tasks/administer-cluster/coredns/

import { coreDnsImage } from "../images/image-names.ts";
import { apiPort, type ClusterShape, clusterDomain } from "./cluster-shape.ts";

export interface KubernetesObject {
	readonly apiVersion: string;
	readonly kind: string;
	readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: object };
}

const namespace = "kube-system";
const name = "coredns";
const labels = { "k8s-app": "kube-dns" };

const corefile = `.:53 {
	errors
	health
	ready
	kubernetes ${clusterDomain} in-addr.arpa ip6.arpa {
		pods insecure
		fallthrough in-addr.arpa ip6.arpa
		ttl 5
	}
	cache 5
}
`;

export function planCoreDns(cluster: ClusterShape): readonly KubernetesObject[] {
	const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } };
	const role = {
		apiVersion: "rbac.authorization.k8s.io/v1",
		kind: "ClusterRole",
		metadata: { name },
		rules: [
			{ apiGroups: [""], resources: ["services", "pods", "namespaces"], verbs: ["list", "watch"] },
			{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
		],
	};
	const binding = {
		apiVersion: "rbac.authorization.k8s.io/v1",
		kind: "ClusterRoleBinding",
		metadata: { name },
		roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
		subjects: [{ kind: "ServiceAccount", name, namespace }],
	};
	const configuration = {
		apiVersion: "v1",
		kind: "ConfigMap",
		metadata: { name, namespace },
		data: { Corefile: corefile },
	};
	const service = {
		apiVersion: "v1",
		kind: "Service",
		metadata: { name: "kube-dns", namespace, labels },
		spec: {
			clusterIP: cluster.dnsIp,
			selector: labels,
			ports: ["UDP", "TCP"].map((protocol) => ({ name: `dns-${protocol.toLowerCase()}`, port: 53, protocol })),
		},
	};
	return [account, role, binding, configuration, service, deploymentFor(cluster)];
}

const deploymentFor = (cluster: ClusterShape): KubernetesObject & { readonly spec: object } => ({
	apiVersion: "apps/v1",
	kind: "Deployment",
	metadata: { name, namespace, labels },
	spec: {
		selector: { matchLabels: labels },
		template: {
			metadata: { labels },
			spec: {
				serviceAccountName: name,
				dnsPolicy: "Default",
				priorityClassName: "system-cluster-critical",
				tolerations: [{ operator: "Exists" }],
				terminationGracePeriodSeconds: 1,
				containers: [
					{
						name,
						image: coreDnsImage,
						args: ["-conf", "/etc/coredns/Corefile"],
						// Not by its Service: names also resolve where nodes have no kube-proxy.
						env: [
							{ name: "KUBERNETES_SERVICE_HOST", value: cluster.controlPlane.ip },
							{ name: "KUBERNETES_SERVICE_PORT", value: String(apiPort) },
						],
						ports: ["UDP", "TCP"].map((protocol) => ({ containerPort: 53, protocol })),
						readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
						securityContext: {
							allowPrivilegeEscalation: false,
							readOnlyRootFilesystem: true,
							capabilities: { add: ["NET_BIND_SERVICE"], drop: ["ALL"] },
						},
						volumeMounts: [{ name: "configuration", mountPath: "/etc/coredns" }],
					},
				],
				volumes: [{ name: "configuration", configMap: { name } }],
			},
		},
	},
});
