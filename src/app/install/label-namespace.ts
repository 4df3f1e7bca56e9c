// The namespace of the installation: made when it is not there, and told to admit the privileged agent of each node.
// https://kubernetes.io/docs/concepts/security/pod-security-standards/

import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { CliError, exitCodes } from "../cli/cli-error.ts";

const levels = ["enforce", "audit", "warn"].map(
	(mode) => [`pod-security.kubernetes.io/${mode}`, "privileged"] as const,
);

export async function labelNamespace(client: KubernetesClient, name: string): Promise<void> {
	const body = {
		apiVersion: "v1",
		kind: "Namespace",
		metadata: { name, labels: { "app.kubernetes.io/part-of": "keepmesh", ...Object.fromEntries(levels) } },
	};
	const answer = await client.request("PATCH", `/api/v1/namespaces/${name}`, {
		body,
		contentType: "application/apply-patch+yaml",
		query: { fieldManager: "keepmesh-install", force: true },
	});
	if (answer.status < 300) return;
	const { message = `status ${answer.status}` } = answer.body as { message?: string };
	throw new CliError(
		answer.status === 403 ? exitCodes.noPermission : exitCodes.failure,
		`namespace ${name}: ${message}`,
		`kubectl create namespace ${name}`,
	);
}
