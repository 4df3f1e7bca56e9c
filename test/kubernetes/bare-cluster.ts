// A cluster whose nodes have no kube-proxy, and Keepmesh's layer 4 in its place; of its own, beside the one of the other tests. With
// KEEPMESH_BARE_CLUSTER=NAME the set of that name is used and left up.

import type { ClusterOptions } from "../../cluster/plan/node-options.ts";
import { setDown } from "../../cluster/set-down.ts";
import { readSetRecord } from "../../cluster/set-record.ts";
import { setUp } from "../../cluster/set-up.ts";
import { layer4Namespace, layer4Objects } from "./layer4-objects.ts";
import { loadKeepmesh, openCluster, type TestCluster } from "./test-cluster.ts";

const given = process.env.KEEPMESH_BARE_CLUSTER;
const set = given ?? "kmbare";
const options: ClusterOptions = { kubeProxy: false, kubeletArgs: [], share: [], apiServerArgs: [], controllerArgs: [] };

export interface BareCluster extends TestCluster {
	/** As kubectl apply does, for objects of any namespace. */
	applyIn(namespace: string, ...objects: readonly object[]): Promise<void>;
	kubectlIn(namespace: string, ...args: readonly string[]): Promise<string>;
}

/** With layer 4 running on all nodes. `flags`: more of `keepmesh l4 run`. */
export async function openBareCluster(nodes: number, flags: readonly string[] = []): Promise<BareCluster> {
	const bare = await startBareCluster(nodes);
	await bare.applyIn(layer4Namespace, ...layer4Objects(bare.shape, flags));
	await bare.kubectlIn(layer4Namespace, "rollout", "status", "daemonset/keepmesh-layer4", "--timeout=180s");
	return bare;
}

/** Without anything that does Services. */
export async function startBareCluster(nodes: number): Promise<BareCluster> {
	const size = { name: set, clusters: 1, nodes };
	const deps = { say: () => {}, signal: new AbortController().signal };
	if (given === undefined) await setUp(size, options, deps);
	const cluster = await openCluster(1, set);
	await loadKeepmesh(cluster);
	return {
		...cluster,
		applyIn: async (namespace, ...objects) => {
			const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
			const { code, stderr, stdout } = await cluster.tryKubectl(["--namespace", namespace, "apply", "-f", "-"], list);
			if (code !== 0) throw new Error(`kubectl apply: ${stderr}${stdout}`);
		},
		kubectlIn: (namespace, ...args) => cluster.kubectl("--namespace", namespace, ...args),
		close: async () => {
			const record = given === undefined ? readSetRecord(set) : undefined;
			if (record) await setDown(record);
			else await cluster.close();
		},
	};
}
