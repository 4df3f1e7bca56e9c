// A Pod's own access to its cluster: the service account's token and the cluster's authority, from the files that kubelet mounts.
// https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tokenFromFile } from "./read-token.ts";
import { AccessError, type ServerAccess } from "./server-access.ts";

export const serviceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";

/** `server`: `https://10.96.0.1:443`, from KUBERNETES_SERVICE_HOST and _PORT. Throws AccessError outside of a Pod. */
export function readServiceAccount(server: string, directory = serviceAccountDirectory): ServerAccess {
	const read = (name: string): string => {
		try {
			return readFileSync(join(directory, name), "utf8");
		} catch {
			throw new AccessError(`not in a Pod with a service account (${join(directory, name)}): give a kubeconfig`);
		}
	};
	const namespace = read("namespace").trim();
	read("token");
	return { url: new URL(server), ca: read("ca.crt"), namespace, token: tokenFromFile(join(directory, "token")) };
}
