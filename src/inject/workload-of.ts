// A pod's metadata -> the workload that it is of, as people name it: the Deployment, not its ReplicaSet; the CronJob, not its Job.

import type { PodMeta } from "./pod-shape.ts";

export interface Workload {
	readonly kind: string;
	readonly name: string;
	/** Path of the object, `kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1`. */
	readonly owner: string;
}

const plurals: Readonly<Record<string, string>> = { ReplicaSet: "replicasets", DaemonSet: "daemonsets" };

export function workloadOf(meta: PodMeta, namespace: string): Workload {
	const { kind, name, apiVersion } = ownerOf(meta);
	const plural = plurals[kind] ?? `${kind.toLowerCase()}s`;
	return { kind, name, owner: `kubernetes://apis/${apiVersion}/namespaces/${namespace}/${plural}/${name}` };
}

function ownerOf(meta: PodMeta): { readonly kind: string; readonly name: string; readonly apiVersion: string } {
	const owners = meta.ownerReferences ?? [];
	const owner = owners.find(({ controller }) => controller) ?? owners[0];
	if (!owner) {
		const name = meta.name ?? (meta.generateName ?? "").replace(/-$/, "");
		return { kind: "Pod", name, apiVersion: "v1" };
	}
	const hash = meta.labels?.["pod-template-hash"];
	if (owner.kind === "ReplicaSet" && hash !== undefined && owner.name.endsWith(`-${hash}`))
		return { kind: "Deployment", name: owner.name.slice(0, -hash.length - 1), apiVersion: owner.apiVersion };
	// A CronJob names its Jobs by the minute that they were due.
	const cronJob = owner.kind === "Job" ? /^(.+)-\d{8,11}$/.exec(owner.name)?.[1] : undefined;
	if (cronJob !== undefined) return { kind: "CronJob", name: cronJob, apiVersion: owner.apiVersion };
	const config = owner.kind === "ReplicationController" ? meta.labels?.deploymentconfig : undefined;
	if (config !== undefined && owner.name.startsWith(`${config}-`))
		return { kind: "DeploymentConfig", name: config, apiVersion: "apps.openshift.io/v1" };
	return owner;
}
