// Until the API server serves the mesh's own kinds: the next chart may make objects of them.

import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { CliError, exitCodes } from "../cli/cli-error.ts";

const path = "/apis/keepmesh.io/v1alpha1/meshconfigs";

/** Rejects with CliError after `withinMs`, default 30 s. */
export async function waitForKinds(client: KubernetesClient, withinMs = 30_000): Promise<void> {
	for (const endMs = performance.now() + withinMs; ; await sleep(100)) {
		const { status } = await client.request("GET", path, { query: { limit: 1 } });
		if (status === 200 || status === 403) return;
		if (performance.now() < endMs) continue;
		const message = `the API server does not serve the kinds of keepmesh.io (${status})`;
		throw new CliError(exitCodes.unavailable, message, "kubectl get crd meshconfigs.keepmesh.io -o yaml");
	}
}
