// Until all replicas of a Deployment are of its newest template and ready.

import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { CliError, exitCodes } from "../cli/cli-error.ts";
import { objectAt } from "./read-objects.ts";

interface Rollout {
	readonly metadata: { readonly generation?: number };
	readonly spec: { readonly replicas?: number };
	readonly status?: {
		readonly observedGeneration?: number;
		readonly updatedReplicas?: number;
		readonly readyReplicas?: number;
		readonly replicas?: number;
	};
}

/** Rejects with CliError when they are not in time. */
export async function waitForDeployment(
	client: KubernetesClient,
	{ name, namespace }: { readonly name: string; readonly namespace: string },
	withinMs: number,
): Promise<void> {
	for (const endMs = performance.now() + withinMs; ; await sleep(200)) {
		const rollout = await objectAt<Rollout>(client, `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`);
		if (rollout && isDone(rollout)) return;
		if (performance.now() < endMs) continue;
		const ready = `${rollout?.status?.readyReplicas ?? 0} of ${rollout?.spec.replicas ?? 1}`;
		throw new CliError(
			exitCodes.unavailable,
			`Deployment ${namespace}/${name}: ${ready} are ready`,
			`kubectl --namespace ${namespace} describe pods --selector app=${name}`,
		);
	}
}

function isDone({ metadata, spec, status }: Rollout): boolean {
	const wanted = spec.replicas ?? 1;
	const { observedGeneration = 0, readyReplicas = 0, replicas = 0, updatedReplicas = 0 } = status ?? {};
	const isSeen = observedGeneration >= (metadata.generation ?? 0);
	return isSeen && updatedReplicas >= wanted && readyReplicas >= wanted && replicas <= wanted;
}
