// Until the API server serves the mesh's own kinds: the next chart may make objects of them.

import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { keepmeshCrds } from "../../kubernetes/crds/keepmesh-crds.ts";
import { CliError, exitCodes } from "../cli/cli-error.ts";

/** What Helm asks as well: it knows a kind once it stands there. */
const path = "/apis/keepmesh.io/v1alpha1";

/** Rejects with CliError after `withinMs`, default 30 s. */
export async function waitForKinds(client: Pick<KubernetesClient, "request">, withinMs = 30_000): Promise<void> {
	const wanted = keepmeshCrds().map(({ spec }) => spec.names.plural);
	for (const endMs = performance.now() + withinMs; ; await sleep(100)) {
		const { body, status } = await client.request("GET", path);
		const served = status === 200 ? (body as { resources: readonly { name: string }[] }).resources : [];
		const missing = wanted.filter((plural) => !served.some(({ name }) => name === plural));
		if (missing.length === 0 || status === 403) return;
		if (performance.now() < endMs) continue;
		const message = `the API server does not serve ${missing.join(", ")} of keepmesh.io (${status})`;
		throw new CliError(exitCodes.unavailable, message, `kubectl get crd ${missing[0]}.keepmesh.io -o yaml`);
	}
}
