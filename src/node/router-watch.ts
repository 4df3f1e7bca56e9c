// The watch over a gateway's Envoy: nobody stands in for it, so whoever sends it connections must hear soon that it is gone, and one
// that hangs must start again. In: whether it is ready, its end, its answers. Out: changes as those of a pod's switch, between
// `sidecar` and `closed`; an order to kill one whose workers hang, unless it only waits for a processor.

import type { HealthVerdict } from "../hotswitch/proxy-health.ts";
import type { SwitchCause } from "../hotswitch/switch-state.ts";
import type { Cancel, Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { isStarved, type ProcessorLook } from "./is-starved.ts";
import { leavingPhases, type ProxyState } from "./plan/proxy-machine.ts";
import type { SwitchChange } from "./pod-hot-switch.ts";
import { ProxyWatch, type WatchedProxy } from "./proxy-watch.ts";

export interface RouterWatchDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** As logs name the pod. */
	readonly owner: string;
	readonly proxy: () => WatchedProxy;
	readonly onChange: (change: SwitchChange) => void;
	readonly kill: () => void;
	readonly lookAtWorkers: () => ProcessorLook | undefined;
	/** For tests. */
	readonly watch?: (onVerdict: (verdict: HealthVerdict) => void) => { close(): void };
}

const intervalMs = 100;
/** Everybody who connects to a gateway waits meanwhile. */
const silentMs = 400;
const secondLookMs = 100;

export class RouterWatch {
	readonly #deps: RouterWatchDeps;
	#watch: { close(): void } | undefined;
	#cancelLook: Cancel = () => {};
	/** Undefined: nothing was said yet. */
	#step: "sidecar" | "closed" | undefined;

	constructor(deps: RouterWatchDeps) {
		this.#deps = deps;
	}

	/** Again and again, as its proxy's phase changes. What follows when it leaves is no news. */
	follow(phase: ProxyState["phase"]): void {
		const isReady = phase === "ready";
		if (isReady && !this.#watch) {
			this.#tell("sidecar", "ready", "the gateway is ready");
			this.#watch = this.#open((verdict) => this.#judged(verdict));
		} else if (!isReady) this.close();
		if (phase === "draining" || leavingPhases.has(phase)) this.#step = undefined;
	}

	ended(because: string, cause: SwitchCause = "exited"): void {
		this.close();
		if (this.#step === "sidecar") this.#tell("closed", cause, because);
	}

	/** Another Envoy has the pod. */
	renew(): void {
		if (!this.#watch) return;
		this.close();
		this.#watch = this.#open((verdict) => this.#judged(verdict));
	}

	close(): void {
		this.#cancelLook();
		this.#watch?.close();
		this.#watch = undefined;
	}

	#judged(verdict: HealthVerdict): void {
		this.#cancelLook();
		if (verdict.type === "ready") this.#tell("sidecar", "ready", "the gateway answers again");
		else if (verdict.cause === "stuck") this.#lookTwice(verdict.because, this.#deps.lookAtWorkers());
		else this.#tell("closed", "unready", verdict.because);
	}

	/** On a machine that has too much to do another one would be as late. */
	#lookTwice(because: string, before: ProcessorLook | undefined): void {
		this.#cancelLook = this.#deps.clock.after(secondLookMs, () => {
			const now = this.#deps.lookAtWorkers();
			if (isStarved(before, now)) return this.#lookTwice(because, now);
			this.#tell("closed", "hung", because);
			this.#deps.kill();
		});
	}

	#open(onVerdict: (verdict: HealthVerdict) => void): { close(): void } {
		const { clock, proxy, watch } = this.#deps;
		if (watch) return watch(onVerdict);
		return new ProxyWatch(proxy(), { clock, intervalMs, config: { silentMs }, onVerdict, onRemark: () => {} });
	}

	#tell(to: "sidecar" | "closed", cause: SwitchCause, because: string): void {
		const from = this.#step ?? to;
		this.#step = to;
		const { log, onChange, owner } = this.#deps;
		if (from !== to)
			log[to === "sidecar" ? "info" : "warn"]({ pod: owner, from, to, because }, "a gateway's state changed");
		onChange({ from, to, cause, because, by: "keepmesh" });
	}
}
