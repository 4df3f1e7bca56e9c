// Keeps the watch over a pod's Envoy while that is ready. In: whether it is, and which Envoy has the pod. Out: verdicts for the
// pod's switch, and a remark where something is wrong that costs no connection.

import type { SwitchCause } from "../hotswitch/switch-state.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { ProxyState } from "./plan/proxy-machine.ts";
import type { PodHotSwitch } from "./pod-hot-switch.ts";
import { ProxyWatch, type WatchedProxy } from "./proxy-watch.ts";
import type { RouterWatch } from "./router-watch.ts";

export interface PodWatchDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** The Envoy that has the pod now. */
	readonly proxy: () => WatchedProxy;
	/** Of a gateway. */
	readonly router?: RouterWatch;
}

export class PodWatch {
	readonly #hotSwitch: PodHotSwitch | undefined;
	readonly #deps: PodWatchDeps;
	#watch: ProxyWatch | undefined;
	#remark = "";

	/** Without a hot-switch nobody wants to know. */
	constructor(hotSwitch: PodHotSwitch | undefined, deps: PodWatchDeps) {
		this.#hotSwitch = hotSwitch;
		this.#deps = deps;
	}

	/** Empty: nothing. */
	get remark(): string {
		return this.#remark;
	}

	/** Again and again, as the phase of its proxy changes. */
	follow(phase: ProxyState["phase"]): void {
		if (phase !== "ready") this.#end();
		else this.#watch ??= this.#begin();
		this.#deps.router?.follow(phase);
	}

	/** Another Envoy has the pod, and it is ready. */
	renew(): void {
		this.#end();
		this.#deps.router?.renew();
		this.#hotSwitch?.happens({ type: "ready" });
	}

	/** Its process. */
	ended(because: string, cause?: SwitchCause): void {
		this.#deps.router?.ended(because, cause);
	}

	close(): void {
		this.#end();
		this.#deps.router?.close();
	}

	#end(): void {
		this.#watch?.close();
		this.#watch = undefined;
		this.#remark = "";
	}

	#begin(): ProxyWatch | undefined {
		const hotSwitch = this.#hotSwitch;
		if (!hotSwitch) return undefined;
		const { clock, log, proxy } = this.#deps;
		return new ProxyWatch(proxy(), {
			clock,
			onVerdict: (verdict) => hotSwitch.happens(verdict),
			onRemark: (remark) => {
				this.#remark = remark;
				if (remark !== "") log.warn({ pod: hotSwitch.pod, remark }, "proxy does not do well");
			},
		});
	}
}
