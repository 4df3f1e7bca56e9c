// What a Deployment does next. In: its spec and its pods as they are. Out: pods to make and to delete now, and when to look
// again. Level-triggered: nothing is remembered between two calls. The rules of kube-controller-manager's rolling update:
// https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment

import type { DeploymentSpec } from "../../resources/kinds/core.ts";
import { hashName, stableText } from "./text-hash.ts";

export interface OwnedPod {
	readonly name: string;
	readonly templateHash: string;
	readonly createdMs: number;
	/** Since when it has been ready without a break; absent while it is not. */
	readonly readySinceMs?: number;
	readonly terminating: boolean;
}

export interface DeploymentPlan {
	readonly templateHash: string;
	readonly create: number;
	/** Names of pods to delete. */
	readonly remove: readonly string[];
	/** When a pod becomes available by time alone (minReadySeconds). */
	readonly lookAgainAtMs?: number;
	readonly status: DeploymentStatus;
}

export interface DeploymentStatus {
	readonly replicas: number;
	readonly updated: number;
	readonly ready: number;
	readonly available: number;
	/** Every wanted pod is of the newest template and available, and no old one is left. */
	readonly complete: boolean;
}

export function templateHash(spec: DeploymentSpec): string {
	return hashName(stableText(spec.template), 9);
}

export function planDeployment(spec: DeploymentSpec, pods: readonly OwnedPod[], nowMs: number): DeploymentPlan {
	const hash = templateHash(spec);
	const wanted = spec.replicas ?? 1;
	const minReadyMs = (spec.minReadySeconds ?? 0) * 1000;
	const isAvailable = (pod: OwnedPod): boolean =>
		pod.readySinceMs !== undefined && nowMs - pod.readySinceMs >= minReadyMs;
	const alive = pods.filter((pod) => !pod.terminating);
	const current = alive.filter((pod) => pod.templateHash === hash);
	const old = alive.filter((pod) => pod.templateHash !== hash);
	const available = alive.filter(isAvailable).length;
	const becoming = alive.flatMap((pod) =>
		pod.readySinceMs !== undefined && !isAvailable(pod) ? [pod.readySinceMs + minReadyMs] : [],
	);
	const changes =
		spec.strategy?.type === "Recreate"
			? recreate(wanted, hash, current, old, pods)
			: roll(wanted, surgeAndUnavailable(spec, wanted), { current, old, available, isAvailable });
	return {
		templateHash: hash,
		...changes,
		...(becoming.length > 0 ? { lookAgainAtMs: Math.min(...becoming) } : {}),
		status: {
			replicas: alive.length,
			updated: current.length,
			ready: alive.filter((pod) => pod.readySinceMs !== undefined).length,
			available,
			complete: old.length === 0 && current.length === wanted && available >= wanted && pods.length === alive.length,
		},
	};
}

type Changes = Pick<DeploymentPlan, "create" | "remove">;

function recreate(
	wanted: number,
	hash: string,
	current: readonly OwnedPod[],
	old: readonly OwnedPod[],
	pods: readonly OwnedPod[],
): Changes {
	if (old.length > 0) return { create: 0, remove: old.map((pod) => pod.name) };
	if (pods.some((pod) => pod.terminating && pod.templateHash !== hash)) return { create: 0, remove: [] };
	return scaleTo(wanted, current);
}

interface Rolling {
	readonly current: readonly OwnedPod[];
	readonly old: readonly OwnedPod[];
	readonly available: number;
	readonly isAvailable: (pod: OwnedPod) => boolean;
}

function roll(wanted: number, limits: Limits, { current, old, available, isAvailable }: Rolling): Changes {
	if (old.length === 0) return scaleTo(wanted, current);
	const total = current.length + old.length;
	const create = Math.max(0, Math.min(wanted + limits.surge - total, wanted - current.length));
	const extra = current.length > wanted ? leastUseful(current).slice(0, current.length - wanted) : [];
	const minAvailable = wanted - limits.unavailable;
	const unavailableNew = current.filter((pod) => !isAvailable(pod)).length;
	let mayGo = Math.max(0, total - minAvailable - unavailableNew);
	const broken = old.filter((pod) => !isAvailable(pod)).slice(0, mayGo);
	mayGo -= broken.length;
	const healthy = leastUseful(old.filter(isAvailable)).slice(0, Math.max(0, Math.min(mayGo, available - minAvailable)));
	return { create, remove: [...extra, ...broken, ...healthy].map((pod) => pod.name) };
}

function scaleTo(wanted: number, current: readonly OwnedPod[]): Changes {
	const surplus = Math.max(0, current.length - wanted);
	return {
		create: Math.max(0, wanted - current.length),
		remove: leastUseful(current)
			.slice(0, surplus)
			.map((pod) => pod.name),
	};
}

/** Those that are not ready first, then the youngest: as a ReplicaSet chooses. */
function leastUseful(pods: readonly OwnedPod[]): readonly OwnedPod[] {
	return [...pods].sort(
		(a, b) =>
			Number(a.readySinceMs !== undefined) - Number(b.readySinceMs !== undefined) ||
			b.createdMs - a.createdMs ||
			(a.name < b.name ? 1 : -1),
	);
}

interface Limits {
	readonly surge: number;
	readonly unavailable: number;
}

/** Both default to 25 %; surge rounds up, unavailable down, and they are never both 0. */
function surgeAndUnavailable(spec: DeploymentSpec, wanted: number): Limits {
	const rolling = spec.strategy?.rollingUpdate;
	const surge = amountOf(rolling?.maxSurge, wanted, Math.ceil);
	const unavailable = amountOf(rolling?.maxUnavailable, wanted, Math.floor);
	return surge === 0 && unavailable === 0 ? { surge: 0, unavailable: 1 } : { surge, unavailable };
}

function amountOf(value: number | string | undefined, wanted: number, round: (value: number) => number): number {
	const text = String(value ?? "25%");
	const number = Number(text.replace(/%$/, ""));
	if (!Number.isFinite(number) || number < 0) return amountOf("25%", wanted, round);
	return text.endsWith("%") ? round((number * wanted) / 100) : Math.floor(number);
}
