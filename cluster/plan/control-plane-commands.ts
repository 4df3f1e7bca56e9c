// The commands of a cluster's control plane: etcd, kube-apiserver, kube-controller-manager and kube-scheduler, in the order in
// which they start. Flags: https://kubernetes.io/docs/reference/command-line-tools-reference/

import { apiPort, type ClusterShape } from "./cluster-shape.ts";
import type { ControlPlaneOptions } from "./node-options.ts";

export const controlPlanePrograms = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] as const;
export type ControlPlaneProgram = (typeof controlPlanePrograms)[number];

export interface ControlPlanePaths {
	/** Directory of the programs. */
	readonly programs: string;
	readonly pki: string;
	/** Directory of `NAME.kubeconfig`. */
	readonly kubeconfigs: string;
	readonly etcdData: string;
}

export const auditPolicyFile = "audit-policy.yaml";
/** A line of JSON for each request of an account of Keepmesh's own namespace. */
export const auditLogFile = "audit.log";

/** https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/ */
export const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    userGroups: ["system:serviceaccounts:keepmesh-system"]
  - level: None
`;

export const serviceAccountIssuer = "https://kubernetes.default.svc.cluster.local";
/** The audience of tokens for meshes, Istio's; tokens for the API server have the issuer. */
const meshAudience = "istio-ca";
const etcdUrl = "http://127.0.0.1:2379";
const etcdPeerUrl = "http://127.0.0.1:2380";

export function controlPlaneCommand(
	program: ControlPlaneProgram,
	cluster: ClusterShape,
	paths: ControlPlanePaths,
	options: ControlPlaneOptions,
): readonly string[] {
	return [`${paths.programs}/${program}`, ...argumentsOf(program, cluster, paths, options)];
}

function argumentsOf(
	program: ControlPlaneProgram,
	cluster: ClusterShape,
	paths: ControlPlanePaths,
	options: ControlPlaneOptions,
): readonly string[] {
	const { ip } = cluster.controlPlane;
	const pki = (name: string): string => `${paths.pki}/${name}`;
	const kubeconfig = `${paths.kubeconfigs}/${program}.kubeconfig`;
	const client = [
		`--kubeconfig=${kubeconfig}`,
		`--authentication-kubeconfig=${kubeconfig}`,
		`--authorization-kubeconfig=${kubeconfig}`,
		`--bind-address=${ip}`,
		"--leader-elect=false",
	];
	switch (program) {
		case "etcd":
			return [
				"--name=one",
				`--data-dir=${paths.etcdData}`,
				`--listen-client-urls=${etcdUrl}`,
				`--advertise-client-urls=${etcdUrl}`,
				`--listen-peer-urls=${etcdPeerUrl}`,
				`--initial-advertise-peer-urls=${etcdPeerUrl}`,
				`--initial-cluster=one=${etcdPeerUrl}`,
				"--unsafe-no-fsync",
				"--log-level=warn",
			];
		case "kube-apiserver":
			return [
				`--bind-address=${ip}`,
				`--advertise-address=${ip}`,
				`--secure-port=${apiPort}`,
				`--etcd-servers=${etcdUrl}`,
				`--service-cluster-ip-range=${cluster.serviceNetwork}`,
				"--authorization-mode=Node,RBAC",
				"--enable-admission-plugins=NodeRestriction",
				`--tls-cert-file=${pki("kube-apiserver.crt")}`,
				`--tls-private-key-file=${pki("kube-apiserver.key")}`,
				`--client-ca-file=${pki("ca.crt")}`,
				`--kubelet-client-certificate=${pki("kubelet-client.crt")}`,
				`--kubelet-client-key=${pki("kubelet-client.key")}`,
				`--kubelet-certificate-authority=${pki("ca.crt")}`,
				"--kubelet-preferred-address-types=InternalIP",
				`--service-account-issuer=${serviceAccountIssuer}`,
				`--service-account-key-file=${pki("service-account.pub")}`,
				`--service-account-signing-key-file=${pki("service-account.key")}`,
				`--api-audiences=${serviceAccountIssuer},${meshAudience}`,
				`--requestheader-client-ca-file=${pki("front-proxy-ca.crt")}`,
				"--requestheader-username-headers=X-Remote-User",
				"--requestheader-group-headers=X-Remote-Group",
				"--requestheader-extra-headers-prefix=X-Remote-Extra-",
				"--allow-privileged=true",
				// It has no kube-proxy of its own: webhooks are called at the pods' addresses.
				"--enable-aggregator-routing=true",
				"--endpoint-reconciler-type=lease",
				"--enable-priority-and-fairness=false",
				// Who of Keepmesh's parts asked what: so that tests see which of their rights are used.
				`--audit-policy-file=${paths.kubeconfigs}/${auditPolicyFile}`,
				`--audit-log-path=${paths.kubeconfigs}/${auditLogFile}`,
				"--audit-log-mode=batch",
				"--audit-log-batch-max-wait=200ms",
				"--audit-log-maxsize=64",
				"--audit-log-maxbackup=1",
				"--profiling=false",
				...options.apiServerArgs,
			];
		case "kube-controller-manager":
			return [
				...client,
				"--use-service-account-credentials=true",
				`--root-ca-file=${pki("ca.crt")}`,
				`--service-account-private-key-file=${pki("service-account.key")}`,
				`--cluster-signing-cert-file=${pki("ca.crt")}`,
				`--cluster-signing-key-file=${pki("ca.key")}`,
				// With the default rates the first ServiceAccount takes five seconds longer.
				"--kube-api-qps=300",
				"--kube-api-burst=300",
				"--controllers=*,-node-ipam-controller",
				...options.controllerArgs,
			];
		case "kube-scheduler":
			return client;
		default:
			return program satisfies never;
	}
}
