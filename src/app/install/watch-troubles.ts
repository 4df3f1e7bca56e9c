// What keeps the pods that a rollout makes from starting: looked for while it runs, so that nobody waits for an image that is not
// there until the time is up. In: pods of one revision. Out: a signal once the same trouble has stood long enough, and what it is.

import { revisionLabel } from "../../install/release-names.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { listAt } from "./read-objects.ts";
import { type PartPod, troublesOf } from "./read-parts.ts";

export interface WatchedTroubles {
	/** Aborts when there is no more hope. */
	readonly hopeless: AbortSignal;
	/** As they are now, by part: `keepmesh-control: ErrImagePull: ...`. */
	now(): Promise<readonly string[]>;
	close(): void;
}

export interface TroublesOptions {
	readonly namespace: string;
	readonly revision: string;
	/** How long the same trouble may stand. Default 45 s: a registry may be slow to answer. */
	readonly patienceMs?: number;
	/** Between two looks. Default 2 s. */
	readonly everyMs?: number;
}

/** What becomes no better by itself. */
const hopelessReason = /: (?:.* cannot be had|CrashLoopBackOff|CreateContainer\w*Error)/;

export async function watchTroubles(client: KubernetesClient, options: TroublesOptions): Promise<WatchedTroubles> {
	const { namespace, patienceMs = 45_000, everyMs = 2_000, revision } = options;
	const read = (): Promise<readonly PartPod[]> =>
		listAt<PartPod>(
			client,
			`/api/v1/namespaces/${namespace}/pods`,
			`app.kubernetes.io/part-of=keepmesh,${revisionLabel}=${revision}`,
		);
	// Those that were there before may be what the rollout is to mend.
	const before = new Set((await read()).map(({ metadata }) => metadata.name));
	const now = async (): Promise<readonly string[]> => {
		const young = (await read()).filter(({ metadata }) => !before.has(metadata.name));
		const found = young.flatMap((pod) =>
			troublesOf(pod).map(
				(trouble) => `${pod.metadata.labels?.["app.kubernetes.io/name"] ?? pod.metadata.name}: ${trouble}`,
			),
		);
		return [...new Set(found)];
	};
	const controller = new AbortController();
	let sinceMs: number | undefined;
	const look = async (): Promise<void> => {
		const isHopeless = (await now().catch(() => [])).some((trouble) => hopelessReason.test(trouble));
		if (!isHopeless) sinceMs = undefined;
		else sinceMs ??= performance.now();
		if (sinceMs !== undefined && performance.now() - sinceMs >= patienceMs) controller.abort();
	};
	const timer = setInterval(() => void look(), everyMs);
	timer.unref();
	return { hopeless: controller.signal, now, close: () => clearInterval(timer) };
}
