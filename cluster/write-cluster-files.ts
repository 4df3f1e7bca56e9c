// Writes what the machines of one cluster read: certificates, kubeconfigs, scripts and configuration. Keys are for their owner
// only.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type ClusterCertificates, createCertificates, type KeyPair } from "./cluster-certificates.ts";
import { clusterDirectory, kubeconfigPath, machineDirectory } from "./cluster-paths.ts";
import type { ControlPlanePlan, NodePlan, PlannedFile } from "./plan/cluster-plan.ts";
import type { ClusterShape } from "./plan/cluster-shape.ts";
import { auditPolicy, auditPolicyFile } from "./plan/control-plane-commands.ts";
import { renderKubeconfig } from "./plan/kubeconfig.ts";

/** The directories that a node has on this machine's disk, and the places where its root is put together. */
const nodeDirectories = ["kubelet", "pods", "logs", "etc/manifests", "overlay", "root"];

export function writeClusterFiles(
	set: string,
	cluster: ClusterShape,
	controlPlane: ControlPlanePlan,
	nodes: readonly NodePlan[],
	nowMs: number,
): void {
	const certificates = createCertificates(cluster, nowMs);
	const directory = clusterDirectory(set, cluster);
	const pki = join(directory, "pki");
	mkdirSync(pki, { recursive: true, mode: 0o700 });
	writePair(pki, "ca", certificates.authority);
	writePair(pki, "front-proxy-ca", certificates.frontProxyAuthority);
	for (const [name, pair] of Object.entries(certificates.leaves)) writePair(pki, name, pair);
	writePrivate(join(pki, "service-account.key"), certificates.serviceAccounts.privateKey);
	writePrivate(join(pki, "service-account.pub"), certificates.serviceAccounts.publicKey);
	for (const user of ["admin", "kube-controller-manager", "kube-scheduler"])
		writePrivate(
			kubeconfigPath(set, cluster, user),
			kubeconfigOf(set, cluster, certificates, certificates.leaves[user]),
		);
	writeFileSync(join(directory, auditPolicyFile), auditPolicy);
	for (const file of Object.values(controlPlane.startScripts)) writePlanned(file);
	for (const plan of nodes) writeNodeFiles(set, cluster, plan, certificates);
}

function writeNodeFiles(set: string, cluster: ClusterShape, plan: NodePlan, certificates: ClusterCertificates): void {
	const own = machineDirectory(set, cluster, plan.node);
	for (const name of nodeDirectories) mkdirSync(join(own, name), { recursive: true });
	const pairs = certificates.nodes[plan.node.name];
	if (!pairs) throw new Error(`no certificate for ${plan.node.name}`);
	const etc = join(own, "etc");
	writePrivate(join(etc, "ca.crt"), certificates.authority.certificate);
	writePair(etc, "kubelet-serving", pairs.serving);
	writePrivate(join(etc, "kubelet.kubeconfig"), kubeconfigOf(set, cluster, certificates, pairs.client));
	const proxy = kubeconfigOf(set, cluster, certificates, certificates.leaves["kube-proxy"]);
	writePrivate(join(etc, "kube-proxy.kubeconfig"), proxy);
	for (const file of [plan.startScript, ...plan.files]) writePlanned(file);
}

function kubeconfigOf(
	set: string,
	cluster: ClusterShape,
	{ authority }: ClusterCertificates,
	pair: KeyPair | undefined,
): string {
	if (!pair) throw new Error("no certificate for a kubeconfig");
	return renderKubeconfig(cluster, set, { ...pair, authority: authority.certificate });
}

function writePair(directory: string, name: string, { certificate, key }: KeyPair): void {
	writePrivate(join(directory, `${name}.crt`), certificate);
	writePrivate(join(directory, `${name}.key`), key);
}

function writePlanned({ path, text }: PlannedFile): void {
	mkdirSync(dirname(path), { recursive: true });
	writeFileSync(path, text, { mode: 0o755 });
}

const writePrivate = (file: string, text: string): void => writeFileSync(file, text, { mode: 0o600 });
