// The test cluster that a benchmark runs against: the one that KEEPMESH_CLUSTER names, else one of its own, which is taken down
// again. Its node runs no kube-proxy unless that is asked for: programming thousands of Services would be measured with everything else.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { kubeconfigPath, namespacePath } from "../../cluster/cluster-paths.ts";
import { planSet } from "../../cluster/plan/cluster-shape.ts";
import { readSetRecord } from "../../cluster/set-record.ts";
import { type KubernetesClient, openKubernetesClient } from "../../src/kubernetes/client/kubernetes-client.ts";
import { connectInNamespace } from "../../src/lab/namespace-socket.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

export interface BenchCluster {
	readonly client: KubernetesClient;
	/** Name of the set. */
	readonly set: string;
	readonly kubeconfig: string;
	/** Of the machine of the API server. */
	readonly networkNamespace: string;
	/** Of that machine. */
	readonly address: string;
	close(): Promise<void>;
}

export async function openBenchCluster({ kubeProxy = false } = {}): Promise<BenchCluster> {
	const given = process.env.KEEPMESH_CLUSTER;
	const set = given ?? "kmbench";
	const cluster = (...args: readonly string[]) => run("sh", [join(root, "scripts/cluster.sh"), ...args], { cwd: root });
	if (given === undefined)
		await cluster("up", "--name", set, "--nodes", "1", ...(kubeProxy ? [] : ["--no-kube-proxy"]));
	const record = readSetRecord(set);
	const shape = record && planSet(record.size).clusters[0];
	if (!shape) throw new Error(`there is no cluster ${set}: npm run cluster -- up --name ${set}`);
	const networkNamespace = namespacePath(shape.controlPlane);
	const kubeconfig = kubeconfigPath(set, shape);
	const client = openKubernetesClient(
		{ kubeconfig, userAgent: "keepmesh-bench" },
		{ connect: (target) => connectInNamespace(networkNamespace, target, 5_000) },
	);
	return {
		client,
		set,
		kubeconfig,
		networkNamespace,
		address: shape.controlPlane.ip,
		close: async () => {
			client.close();
			if (given === undefined) await cluster("down", "--name", set);
		},
	};
}
