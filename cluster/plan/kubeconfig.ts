// A kubeconfig with everything inside: server, its authority, the client's certificate and key.

import { apiPort, type ClusterShape } from "./cluster-shape.ts";

export interface KubeconfigParts {
	/** PEM, each. */
	readonly authority: string;
	readonly certificate: string;
	readonly key: string;
}

export function renderKubeconfig(
	cluster: ClusterShape,
	set: string,
	{ authority, certificate, key }: KubeconfigParts,
): string {
	const name = `${set}${cluster.number}`;
	const content = {
		apiVersion: "v1",
		kind: "Config",
		clusters: [
			{
				name,
				cluster: {
					server: `https://${cluster.controlPlane.ip}:${apiPort}`,
					"certificate-authority-data": btoa(authority),
				},
			},
		],
		users: [{ name, user: { "client-certificate-data": btoa(certificate), "client-key-data": btoa(key) } }],
		contexts: [{ name, context: { cluster: name, user: name } }],
		"current-context": name,
	};
	return `${JSON.stringify(content, null, "\t")}\n`;
}
