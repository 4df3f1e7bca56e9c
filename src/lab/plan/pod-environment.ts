// The environment of a container's process: Kubernetes' own variables, the image's, then the container's, fields of the
// pod included. What cannot be given (secrets, config maps) is left out and named.

import type { Container } from "../../resources/kinds/core.ts";

export interface PodFacts {
	readonly name: string;
	readonly namespace: string;
	readonly uid: string;
	readonly address: string;
	readonly node: string;
	readonly serviceAccount: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly annotations: Readonly<Record<string, string>>;
}

export interface PodEnvironment {
	readonly env: Readonly<Record<string, string>>;
	readonly leftOut: readonly string[];
}

export function podEnvironment(
	pod: PodFacts,
	container: Container,
	image: Readonly<Record<string, string>>,
): PodEnvironment {
	const env: Record<string, string> = {
		HOSTNAME: pod.name,
		POD_NAME: pod.name,
		POD_NAMESPACE: pod.namespace,
		...image,
	};
	const leftOut: string[] = [];
	for (const { name, value, valueFrom } of container.env ?? []) {
		const given = valueFrom === undefined ? (value ?? "") : fieldOf(pod, valueFrom);
		if (given === undefined) leftOut.push(name);
		else env[name] = given.replace(/\$\(([A-Za-z_]\w*)\)/g, (whole, other: string) => env[other] ?? whole);
	}
	return { env, leftOut };
}

function fieldOf(pod: PodFacts, valueFrom: unknown): string | undefined {
	const path = (valueFrom as { readonly fieldRef?: { readonly fieldPath?: string } } | null)?.fieldRef?.fieldPath;
	const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path ?? "");
	if (keyed) return pod[keyed[1] === "labels" ? "labels" : "annotations"][keyed[2] ?? ""] ?? "";
	switch (path) {
		case "metadata.name":
			return pod.name;
		case "metadata.namespace":
			return pod.namespace;
		case "metadata.uid":
			return pod.uid;
		case "status.podIP":
		case "status.podIPs":
			return pod.address;
		case "status.hostIP":
		case "spec.nodeName":
			return pod.node;
		case "spec.serviceAccountName":
			return pod.serviceAccount;
		default:
			return undefined;
	}
}
