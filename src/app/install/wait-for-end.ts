// Until namespaces that are being deleted are gone: nothing can be made in one meanwhile, and its pods still hold their ports.

import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { CliError, exitCodes } from "../cli/cli-error.ts";
import { say } from "../cli/terminal.ts";

interface Namespace {
	readonly metadata: { readonly deletionTimestamp?: string };
}

/** Returns at once where nobody deletes it. Rejects with CliError when it is still there after `withinMs`. */
export async function waitForEnd(client: KubernetesClient, namespace: string, withinMs: number): Promise<void> {
	let isTold = false;
	for (const endMs = performance.now() + withinMs; ; await sleep(200)) {
		const { body, status } = await client.request("GET", `/api/v1/namespaces/${namespace}`);
		if (status !== 200 || (body as Namespace).metadata.deletionTimestamp === undefined) return;
		if (!isTold) say(`namespace ${namespace} is being deleted ...`);
		isTold = true;
		if (performance.now() < endMs) continue;
		const message = `namespace ${namespace} is still being deleted after ${Math.round(withinMs / 1000)} s`;
		throw new CliError(exitCodes.unavailable, message, `kubectl get namespace ${namespace} -o yaml`);
	}
}
