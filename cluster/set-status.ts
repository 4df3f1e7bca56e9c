// What of a set of clusters runs: machine by machine, and whether its API server answers.

import { ApiClient } from "./api-client.ts";
import { kubeconfigPath } from "./cluster-paths.ts";
import { processesOf } from "./machine-processes.ts";
import { type ClusterShape, planSet } from "./plan/cluster-shape.ts";
import type { SetRecord } from "./set-record.ts";
import { isNodeReady } from "./start-cluster.ts";

export interface MachineStatus {
	readonly cluster: number;
	readonly machine: string;
	readonly ip: string;
	readonly namespace: string;
	readonly processes: number;
	/** `Ready`, `NotReady`, `off`; `unknown` when the API server does not answer. */
	readonly state: string;
	readonly kubeconfig: string;
}

export async function setStatus(record: SetRecord): Promise<readonly MachineStatus[]> {
	const { clusters } = planSet(record.size);
	return (await Promise.all(clusters.map((cluster) => clusterStatus(record, cluster)))).flat();
}

async function clusterStatus(record: SetRecord, cluster: ClusterShape): Promise<readonly MachineStatus[]> {
	const set = record.size.name;
	const api = new ApiClient(set, cluster);
	const answers = async (ask: () => Promise<boolean>): Promise<string> => {
		try {
			return (await ask()) ? "Ready" : "NotReady";
		} catch {
			return "unknown";
		}
	};
	const states = await Promise.all([
		answers(async () => (await api.request("GET", "/readyz")).status === 200),
		...cluster.nodes.map((node) => answers(() => isNodeReady(api, node))),
	]);
	return [cluster.controlPlane, ...cluster.nodes].map((machine, index) => {
		const processes = processesOf(machine, record.hierarchies).length;
		return {
			cluster: cluster.number,
			machine: machine.name,
			ip: machine.ip,
			namespace: machine.id,
			processes,
			state: processes === 0 ? "off" : (states[index] ?? "unknown"),
			kubeconfig: kubeconfigPath(set, cluster),
		};
	});
}
