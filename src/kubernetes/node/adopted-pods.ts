// Pods of this node that run Istio's own sidecar and ask to be looked after: when their proxy is not ready, the redirect that Istio's
// init container or plug-in made is taken off, and put back when it is. In: pods as the API server tells of them, their readiness
// on 15021. Out: rules changed in the pods' namespaces, and word of it. There is no spare for them: past the proxy is in plaintext.

import { startHttpProbe } from "../../health/probes/http-probe.ts";
import { readinessPort } from "../../inject/proxy-container.ts";
import {
	type AdoptOptions,
	type AdoptResult,
	adoptRedirect,
	bypassRedirect,
	restoreRedirect,
} from "../../node/adopted/adopted-redirects.ts";
import { AdoptedStore } from "../../node/adopted/adopted-store.ts";
import { type ReadinessOrder, ReadinessSwitch } from "../../node/adopted/readiness-switch.ts";
import type { SwitchChange } from "../../node/pod-hot-switch.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { findNamespace } from "./find-namespace.ts";
import type { NodePod } from "./node-pod.ts";

export interface AdoptedPodsDeps {
	/** Directory of the records. */
	readonly directory: string;
	readonly clock: Clock;
	readonly log: Log;
	readonly onSwitched: (pod: NodePod, change: SwitchChange) => void;
	/** Default: findNamespace. */
	readonly namespaceOf?: (uid: string) => string | undefined;
}

interface Watched {
	close(): void;
}

const intervalMs = 1_000;
/** As `keepmesh hotswitch watch`: three failures in a row, two good answers. */
const counts = { fall: 3, rise: 2 };

export class AdoptedPods {
	readonly #deps: AdoptedPodsDeps;
	readonly #store: AdoptedStore;
	readonly #watched = new Map<string, Watched>();

	constructor(deps: AdoptedPodsDeps) {
		this.#deps = deps;
		this.#store = new AdoptedStore(deps.directory);
	}

	/** Told of each version of each pod. */
	follow(pod: NodePod): void {
		const isWanted = pod.wantsAdoption && !pod.isOver && !pod.isLeaving && pod.ips.length > 0;
		if (!isWanted) this.forget(pod.uid);
		else if (!this.#watched.has(pod.uid)) this.#watched.set(pod.uid, this.#watch(pod));
	}

	forget(uid: string): void {
		this.#watched.get(uid)?.close();
		this.#watched.delete(uid);
	}

	/** The rules stay as they are. */
	close(): void {
		for (const uid of [...this.#watched.keys()]) this.forget(uid);
	}

	#watch(pod: NodePod): Watched {
		const { clock, log } = this.#deps;
		const owner = `${pod.namespace}/${pod.name}`;
		let because = "";
		let failure = "";
		const readiness = new ReadinessSwitch(counts, async (order) => {
			const result = await this.#give(order, pod).catch((error: unknown) => String(error));
			if (result === undefined || typeof result === "boolean") {
				failure = "";
				if (result) this.#tell(order, pod, because);
				return true;
			}
			if (result !== failure) log.warn({ pod: owner, order, because: result }, "a redirect of Istio's was not changed");
			failure = result;
			return false;
		});
		const [address = ""] = pod.ips;
		const host = address.includes(":") ? `[${address}]` : address;
		const url = `http://${host}:${readinessPort}/healthz/ready`;
		const probe = startHttpProbe(
			{ type: "http", url, insecure: false, intervalMs, timeoutMs: intervalMs },
			{
				clock,
				onResult: (result) => {
					because = result.because;
					readiness.count(result.ok);
				},
			},
		);
		log.info({ pod: owner }, "a pod with Istio's own sidecar is looked after");
		return probe;
	}

	/** True: done; false: it was so already; a text: why not. */
	async #give(order: ReadinessOrder, { uid }: NodePod): Promise<boolean | string> {
		const netns = (this.#deps.namespaceOf ?? findNamespace)(uid);
		if (netns === undefined) return "none of its processes runs";
		const options: AdoptOptions = { netns, store: this.#store, dryRun: false, nowMs: this.#deps.clock.wallMs() };
		const adopted = await adoptRedirect(options);
		// Nothing to put back, where nothing was ever taken off.
		if (!adopted.ok) return order === "restore" && adopted.because === "noRedirect" ? false : whyNot(adopted);
		const changed = await (order === "bypass" ? bypassRedirect(options) : restoreRedirect(options));
		return changed.ok ? changed.isDone : whyNot(changed);
	}

	#tell(order: ReadinessOrder, pod: NodePod, because: string): void {
		const isOff = order === "bypass";
		this.#deps.log[isOff ? "warn" : "info"](
			{ pod: `${pod.namespace}/${pod.name}`, because },
			isOff ? "Istio's redirect is off" : "Istio's redirect is back",
		);
		this.#deps.onSwitched(pod, {
			from: isOff ? "sidecar" : "direct",
			to: isOff ? "direct" : "sidecar",
			cause: isOff ? "notReady" : "ready",
			because: isOff ? `Istio's sidecar is not ready: ${because}` : "Istio's sidecar is ready",
			by: "keepmesh",
		});
	}
}

function whyNot(result: Extract<AdoptResult, { ok: false }>): string {
	switch (result.because) {
		case "noNamespace":
			return "its network namespace is gone";
		case "noRedirect":
			return "it has no redirect of Istio's";
		case "notAdopted":
			return "it was not saved";
		case "changed":
			return `its rules were changed by somebody else: ${result.differences[0] ?? ""}`;
		case "refused":
			return `${result.message}; ${result.hint}`;
		default:
			return result satisfies never;
	}
}
