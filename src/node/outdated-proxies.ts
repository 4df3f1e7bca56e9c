// Replaces Envoys that are not as one that is started now would be: after an upgrade of Envoy, of Keepmesh, or another policy. In:
// the pods' Envoys. Out: one after the other hands over to a new one. One that failed is left alone until something changes again.

import type { Cancel, Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { PodSupervisor } from "./pod-supervisor.ts";

export interface OutdatedProxiesDeps {
	readonly clock: Clock;
	readonly log: Log;
	readonly supervisors: () => readonly Pick<PodSupervisor, "pod" | "proxies" | "replace" | "state">[];
	/** Before the first look: what has just started comes to rest. Default 2,000. */
	readonly firstMs?: number;
	/** Between two looks. Default 10,000. */
	readonly intervalMs?: number;
	/** Replaced Envoys that still have connections: each costs its memory. Default 4. */
	readonly maxDraining?: number;
	/** Before one that could not be replaced is tried again. Default 600,000. */
	readonly retryMs?: number;
}

export class OutdatedProxies {
	readonly #deps: OutdatedProxiesDeps;
	/** By the pod's uid: not before that time. */
	readonly #failed = new Map<string, { readonly why: string; readonly untilMs: number }>();
	#cancel: Cancel = () => {};
	#closed = false;

	constructor(deps: OutdatedProxiesDeps) {
		this.#deps = deps;
	}

	start(): void {
		this.#next(this.#deps.firstMs ?? 2_000);
	}

	close(): void {
		this.#closed = true;
		this.#cancel();
	}

	#next(afterMs: number): void {
		if (this.#closed) return;
		this.#cancel = this.#deps.clock.after(afterMs, () => void this.#look());
	}

	async #look(): Promise<void> {
		const { clock, log, supervisors, maxDraining = 4, retryMs = 600_000 } = this.#deps;
		const all = supervisors();
		for (const uid of this.#failed.keys()) if (!all.some(({ pod }) => pod.uid === uid)) this.#failed.delete(uid);
		for (const supervisor of all) {
			if (this.#closed) return;
			if (supervisors().filter(({ proxies }) => proxies.handover.phase !== "idle").length >= maxDraining) break;
			const { uid } = supervisor.pod;
			if (supervisor.state.phase !== "ready" || supervisor.proxies.handover.phase !== "idle") continue;
			const why = supervisor.proxies.whyOutdated();
			if (why === undefined) continue;
			const failed = this.#failed.get(uid);
			if (failed?.why === why && clock.monotonicMs() < failed.untilMs) continue;
			const outcome = await supervisor.replace(why)?.catch((error: unknown) => {
				log.error({ uid, error: String(error) }, "an Envoy could not be replaced");
				return undefined;
			});
			if (outcome?.ok) this.#failed.delete(uid);
			else this.#failed.set(uid, { why, untilMs: clock.monotonicMs() + retryMs });
		}
		this.#next(this.#deps.intervalMs ?? 10_000);
	}
}
