// A pod of a drill on a cluster whose Envoy may be broken, and what its node's agent says of it. Times are microseconds of
// CLOCK_MONOTONIC of its node, which all nodes have of their own.

import { pods as podResource } from "../../kubernetes/client/api-resources.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import { bypassAnnotation, bypassByAnnotation } from "../../kubernetes/node/bypass-request.ts";
import type { AgentContainer } from "./kubernetes-agents.ts";
import type { DrillPod, KubernetesDrillPods } from "./kubernetes-drill-pods.ts";

export class KubernetesWorkload {
	readonly pod: DrillPod;
	readonly #pods: KubernetesDrillPods;
	readonly #breaker: DrillPod;
	#broken: { readonly atUs: number; readonly pid: number } | undefined;
	/** Of the node's clock to this process's. */
	#aheadUs = 0;

	/** `breaker`: the privileged pod of its node. */
	constructor(pods: KubernetesDrillPods, breaker: DrillPod, pod: DrillPod) {
		this.#pods = pods;
		this.#breaker = breaker;
		this.pod = pod;
	}

	/** Absent: it was not broken. */
	get faultUs(): number | undefined {
		return this.#broken?.atUs;
	}

	/** Its clock, by the quickest of some answers. */
	async setClock(): Promise<void> {
		let bestMs = Number.POSITIVE_INFINITY;
		for (let sample = 0; sample < 5; sample++) {
			const askedMs = performance.now();
			const { atUs } = await this.#pods.order<{ atUs: number }>(this.#breaker, { order: "clock" });
			const tookMs = performance.now() - askedMs;
			if (tookMs >= bestMs) continue;
			bestMs = tookMs;
			this.#aheadUs = atUs - (askedMs + tookMs / 2) * 1000;
		}
	}

	/** On the clock of this process. */
	nowMsOf(us: number): number {
		return (us - this.#aheadUs) / 1000;
	}

	/** On the node's clock. */
	nowUs(): number {
		return performance.now() * 1000 + this.#aheadUs;
	}

	/** `agent`: its node's, which is killed as well. Resolves with when, on this process's clock. */
	async break(signal: "SIGKILL" | "SIGSTOP", agent?: AgentContainer): Promise<number> {
		const withAgent = agent === undefined ? {} : { agent };
		const broken = await this.#pods.order<{ atUs: number; pid: number }>(this.#breaker, {
			...{ order: "break", uid: this.pod.uid, signal, ...withAgent },
		});
		this.#broken = broken;
		return this.nowMsOf(broken.atUs);
	}

	/** As `keepmesh bypass` does it on Kubernetes. */
	bypass(): Promise<void> {
		return this.#annotate({ [bypassAnnotation]: "a drill", [bypassByAnnotation]: "keepmesh drill" });
	}

	restore(): Promise<void> {
		return this.#annotate({ [bypassAnnotation]: null, [bypassByAnnotation]: null });
	}

	/** `off` its Envoy, `on` one that is not broken, on the `spare`, or `spareReady`; rejects after the limit. */
	async until(step: "off" | "on" | "spare" | "spareReady"): Promise<void> {
		const withinMs = this.#pods.options.limitMs;
		const pid = this.#broken?.pid ?? 0;
		await this.#pods.order(this.#breaker, { order: "until", uid: this.pod.uid, step, pid, withinMs });
	}

	async #annotate(annotations: Readonly<Record<string, string | null>>): Promise<void> {
		const path = pathOf(podResource, this.#pods.options.namespace, this.pod.name);
		await this.#pods.ask("PATCH", path, { body: { metadata: { annotations } } });
	}
}

/** Resolves when all of them were answered ten times in a row. */
export async function untilAnswered(
	pods: KubernetesDrillPods,
	what: string,
	asks: readonly (() => Promise<boolean>)[],
): Promise<void> {
	const goodInARow = 10;
	let good = 0;
	await pods.until(what, async () => {
		do {
			const all = await Promise.all(asks.map((ask) => ask()));
			good = all.every((is) => is) ? good + 1 : 0;
		} while (good > 0 && good < goodInARow);
		return good >= goodInARow ? true : undefined;
	});
}
