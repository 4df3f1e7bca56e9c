// The Deployments and DaemonSets of an installation, and what their pods wait for.

import type { PartFacts } from "../../install/cluster-facts.ts";
import { controlLabel, nodeLabel, revisionLabel } from "../../install/release-names.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { listAt, type Named } from "./read-objects.ts";

interface DeploymentObject extends Named {
	readonly spec: { readonly replicas?: number };
	readonly status?: { readonly readyReplicas?: number; readonly updatedReplicas?: number };
}

interface DaemonSetObject extends Named {
	readonly status?: {
		readonly desiredNumberScheduled?: number;
		readonly numberReady?: number;
		readonly updatedNumberScheduled?: number;
	};
}

export interface PartPod extends Named {
	readonly status?: {
		readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
		readonly containerStatuses?: readonly {
			readonly ready: boolean;
			readonly image?: string;
			readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
			readonly lastState?: { readonly terminated?: { readonly exitCode: number; readonly reason?: string } };
		}[];
	};
}

export async function readControl(client: KubernetesClient, namespace: string): Promise<readonly PartFacts[]> {
	const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
	const [all, troubles] = await Promise.all([
		listAt<DeploymentObject>(client, path, controlLabel),
		readTroubles(client, namespace, controlLabel),
	]);
	return all.map((one) => ({
		...namesOf(one),
		wanted: one.spec.replicas ?? 1,
		ready: one.status?.readyReplicas ?? 0,
		updated: one.status?.updatedReplicas ?? 0,
		troubles: troubles.get(revisionOf(one)) ?? [],
	}));
}

export async function readAgents(client: KubernetesClient, namespace: string): Promise<readonly PartFacts[]> {
	const path = `/apis/apps/v1/namespaces/${namespace}/daemonsets`;
	const [all, troubles] = await Promise.all([
		listAt<DaemonSetObject>(client, path, nodeLabel),
		readTroubles(client, namespace, nodeLabel),
	]);
	return all.map((one) => ({
		...namesOf(one),
		wanted: one.status?.desiredNumberScheduled ?? 0,
		ready: one.status?.numberReady ?? 0,
		updated: one.status?.updatedNumberScheduled ?? 0,
		troubles: troubles.get(revisionOf(one)) ?? [],
	}));
}

const revisionOf = ({ metadata }: Named): string => metadata.labels?.[revisionLabel] ?? "default";

const namesOf = (object: Named): Pick<PartFacts, "name" | "revision" | "version"> => ({
	name: object.metadata.name,
	revision: revisionOf(object),
	version: object.metadata.labels?.["app.kubernetes.io/version"] ?? "",
});

/** By revision: what keeps pods from being ready, each once. */
async function readTroubles(
	client: KubernetesClient,
	namespace: string,
	label: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
	const pods = await listAt<PartPod>(client, `/api/v1/namespaces/${namespace}/pods`, label);
	const found = new Map<string, readonly string[]>();
	for (const pod of pods) {
		const revision = revisionOf(pod);
		found.set(revision, [...new Set([...(found.get(revision) ?? []), ...troublesOf(pod)])]);
	}
	return found;
}

const ordinary = new Set(["ContainerCreating", "PodInitializing"]);

/** What it waits for, where that is not how every pod begins. */
export function troublesOf({ status }: PartPod): readonly string[] {
	const waiting = (status?.containerStatuses ?? []).flatMap(({ image, lastState, ready, state }) => {
		const { reason, message } = state?.waiting ?? {};
		if (ready || reason === undefined || ordinary.has(reason)) return [];
		const { exitCode, reason: end } = lastState?.terminated ?? {};
		// Kubernetes' message says when it tries again, and names the pod; how it ended says more.
		if (reason === "CrashLoopBackOff")
			return [`${reason}: ended with ${exitCode ?? "?"}${end && end !== "Error" ? ` (${end})` : ""}`];
		if (/Image/.test(reason)) return [withoutImage(image ?? "", reason, message ?? "")];
		return [message ? `${reason}: ${message}` : reason];
	});
	const unscheduled = (status?.conditions ?? []).flatMap(({ message, status: value, type }) =>
		type === "PodScheduled" && value === "False" ? [message ?? "not scheduled"] : [],
	);
	return [...waiting, ...unscheduled];
}

/** The container runtime's words without the image's name three times over, and without what is another one each time. */
function withoutImage(image: string, reason: string, message: string): string {
	const because = message
		.replace(/^Back-off pulling image "[^"]*": /, "")
		.replace(/^ErrImagePull: /, "")
		.replace(/(?:rpc error: code = \w+ desc = )?failed to pull and unpack image "[^"]*": /, "")
		.replace(/failed to resolve (?:reference|image) "[^"]*": /, "")
		.replace(/read \w+ \S+->(\S+):/, "$1:");
	const isKnown = ["ErrImagePull", "ImagePullBackOff"].includes(reason);
	return `${isKnown ? "image" : reason} ${image} cannot be had${because === "" ? "" : `: ${because}`}`;
}
