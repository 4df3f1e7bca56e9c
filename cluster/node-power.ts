// A node loses its power, and boots again. Its disk stays; its network namespace, with every address that it had, does not.

import { performance } from "node:perf_hooks";
import { ApiClient } from "./api-client.ts";
import { endMachine, processesOf } from "./machine-processes.ts";
import type { NodePlan } from "./plan/cluster-plan.ts";
import type { ClusterShape } from "./plan/cluster-shape.ts";
import { runCommands } from "./run-plan.ts";
import { removeNamespace } from "./set-down.ts";
import type { SetRecord } from "./set-record.ts";
import { isNodeReady, startNode } from "./start-cluster.ts";
import { waitUntil } from "./wait-until.ts";

const bootsWithinMs = 120_000;

/** At once: its link is cut first, so nothing of it is heard while its processes end. */
export async function nodeDown(record: SetRecord, cluster: ClusterShape, { node }: NodePlan): Promise<void> {
	const links =
		removeNamespace(node).length > 0 ? [`ip -n ${cluster.controlPlane.id} link del ${node.link} || true`] : [];
	runCommands(links);
	await endMachine(node, record.hierarchies);
	runCommands(removeNamespace(node));
}

/** Until it is Ready. A node that runs is left alone. Out: how long it took. */
export async function nodeUp(record: SetRecord, cluster: ClusterShape, plan: NodePlan): Promise<number> {
	const startMs = performance.now();
	let bootedMs = 0;
	if (processesOf(plan.node, record.hierarchies).length === 0) {
		bootedMs = Date.now();
		runCommands(removeNamespace(plan.node));
		startNode(record.size.name, cluster, plan);
	}
	const api = new ApiClient(record.size.name, cluster);
	await waitUntil(`${plan.node.name} Ready`, () => isNodeReady(api, plan.node, bootedMs), { withinMs: bootsWithinMs });
	return performance.now() - startMs;
}
