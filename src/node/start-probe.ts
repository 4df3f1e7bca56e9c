// Asks an Envoy that starts, or that was taken over, whether it is ready for connections. Out: an event for the pod's machine; word
// to its switch of what keeps it from becoming ready; and the end of one that hangs before it has ever been ready.

import type { Clock } from "../runtime/clock.ts";
import { askReadiness } from "./ask-envoy.ts";
import type { EnvoyAdmin } from "./envoy-admin.ts";
import { isMute } from "./plan/envoy-stats.ts";
import type { ProxyEvent } from "./plan/proxy-machine.ts";
import type { PodHotSwitch } from "./pod-hot-switch.ts";

export interface StartProbeDeps {
	readonly clock: Clock;
	readonly admin: () => EnvoyAdmin;
	readonly hotSwitch: () => PodHotSwitch | undefined;
	/** Resolves when the redirect's table is as it was last wanted; tells whether a sign of life is needed. */
	readonly tableSettled: () => Promise<boolean>;
	readonly kill: () => void;
	/** An Envoy whose admin interface has not answered for so long hangs. Default 60,000: a large first configuration takes its time. */
	readonly muteMs?: number;
}

export class StartProbe {
	readonly #deps: StartProbeDeps;
	#muteSinceMs: number | undefined;

	constructor(deps: StartProbeDeps) {
		this.#deps = deps;
	}

	/** Another process is asked from now on. */
	reset(): void {
		this.#muteSinceMs = undefined;
	}

	async ask(): Promise<ProxyEvent> {
		const { admin, hotSwitch, tableSettled } = this.#deps;
		const readiness = await askReadiness(admin());
		if (!readiness.ready) {
			this.#endWhenMute(isMute(readiness));
			if (readiness.rejected) hotSwitch()?.happens({ type: "startHeld", because: readiness.because });
			return { type: "probed", ready: false, because: readiness.because };
		}
		this.reset();
		// A table that is being made anew begins with the path of before; and a silent proxy would get no connection.
		const needsSign = await tableSettled();
		if (needsSign && hotSwitch()?.isHeard() === false)
			return { type: "probed", ready: false, because: "it has shown the kernel no sign of life yet" };
		return { type: "probed", ready: true, because: "" };
	}

	#endWhenMute(isSilent: boolean): void {
		const nowMs = this.#deps.clock.monotonicMs();
		this.#muteSinceMs = isSilent ? (this.#muteSinceMs ?? nowMs) : undefined;
		if (this.#muteSinceMs === undefined || nowMs - this.#muteSinceMs < (this.#deps.muteMs ?? 60_000)) return;
		this.reset();
		this.#deps.kill();
	}
}
