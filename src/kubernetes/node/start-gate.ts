// Whether a pod's application may start: asked by the hook that kubelet runs in the proxy's container, and waits for. In: hooks that
// ask, and those that end unanswered; the pod told to end. Out: yes once Envoy is ready, no at once when the pod leaves; and an
// order to end the proxy when kubelet has lost its hook, for kubelet would then take the proxy for one that is ready.

import type { Clock } from "../../runtime/clock.ts";

export type GateAnswer =
	| { readonly ok: true }
	/** `isFinal`: there is nothing to wait for any more. */
	| { readonly ok: false; readonly because: string; readonly isFinal: boolean };

export interface StartGateDeps {
	readonly clock: Clock;
	/** Resolves when the pod's Envoy is ready; never when it will not be. */
	readonly ready: () => Promise<void>;
	/** Kubelet starts it again, with another hook. */
	readonly endProxy: () => void;
}

/** Less than who asks waits for an answer. */
const holdMs = 25_000;

export class StartGate {
	readonly #deps: StartGateDeps;
	readonly #leaving = Promise.withResolvers<GateAnswer>();
	/** The application runs since then: a proxy that starts again holds nothing back. */
	#wasReady = false;

	constructor(deps: StartGateDeps) {
		this.#deps = deps;
		void deps.ready().then(() => {
			this.#wasReady = true;
		});
	}

	/** `hungUp`: who asks is gone. */
	async ask(hungUp: AbortSignal): Promise<GateAnswer> {
		if (this.#wasReady) return { ok: true };
		const late = Promise.withResolvers<GateAnswer>();
		const cancel = this.#deps.clock.after(holdMs, () =>
			late.resolve({ ok: false, because: "Envoy is not ready yet", isFinal: false }),
		);
		const lost = Promise.withResolvers<"lost">();
		hungUp.addEventListener("abort", () => lost.resolve("lost"));
		if (hungUp.aborted) lost.resolve("lost");
		const ready = this.#deps.ready().then((): GateAnswer => ({ ok: true }));
		const answer = await Promise.race([this.#leaving.promise, ready, late.promise, lost.promise]);
		cancel();
		if (answer === "lost") {
			this.#deps.endProxy();
			return { ok: false, because: "the hook is gone", isFinal: true };
		}
		return answer;
	}

	/** The pod was told to end: kubelet does nothing for it while a hook runs. */
	leave(): void {
		this.#leaving.resolve({ ok: false, because: "the pod is being deleted", isFinal: true });
	}
}
