// A pod's Envoy hands over to another that is started beside it, as the machine in plan/handover-machine.ts decides. In: why. Out:
// the pod has another Envoy, or still the same one, and no connection was refused meanwhile.

import { sharePorts } from "../kernel/share-ports.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { NamedTimers } from "../runtime/named-timers.ts";
import { askConnections, askReadiness, askResponses, tellEnvoy } from "./ask-envoy.ts";
import { writeFileAtomic } from "./atomic-file.ts";
import type { EnvoyAdmin } from "./envoy-admin.ts";
import {
	defaultHandoverConfig,
	type HandoverAction,
	type HandoverConfig,
	type HandoverEvent,
	type HandoverOutcome,
	type HandoverState,
	type HandoverTimer,
	noHandover,
	step,
} from "./plan/handover-machine.ts";
import { leaseClusterName } from "./plan/lease-cluster.ts";
import { readyRuntimeKey } from "./plan/pod-bootstrap.ts";
import type { PodSpec } from "./plan/pod-spec.ts";

/** Beside the pod's Envoy: the one that will follow it, or the one that it followed. */
export interface BesideProcess {
	start(): Promise<{ readonly ok: true } | { readonly ok: false; readonly because: string }>;
	/** Swaps it with the pod's own; resolves when the other one's lease is in force. */
	promote(): Promise<void>;
	readonly admin: EnvoyAdmin;
	readonly pressureFile: string;
	signal(signal: NodeJS.Signals): void;
	/** It has come, gone, or has another role. */
	changed(): void;
}

export interface ProxyHandoverDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** As logs name the pod. */
	readonly owner: string;
	readonly pod: PodSpec;
	readonly beside: BesideProcess;
	readonly config?: Partial<HandoverConfig>;
	readonly onEnded?: (outcome: HandoverOutcome) => void;
}

export class ProxyHandover {
	readonly #deps: ProxyHandoverDeps;
	readonly #config: HandoverConfig;
	readonly #timers: NamedTimers<HandoverTimer>;
	readonly #waiting = new Set<() => void>();
	#state: HandoverState = noHandover;
	#promoted: Promise<void> = Promise.resolve();
	#closed = false;

	constructor(deps: ProxyHandoverDeps) {
		this.#deps = deps;
		this.#timers = new NamedTimers(deps.clock, (timer) => this.#handle({ type: "timerFired", timer }));
		this.#config = { ...defaultHandoverConfig, ...deps.config };
	}

	get state(): HandoverState {
		return this.#state;
	}

	/** The pod's Envoy may end now, and another has its place at once. */
	get hasSuccessor(): boolean {
		return this.#state.phase === "proving";
	}

	/** False while another is under way. */
	request(because: string): boolean {
		if (this.#closed || this.#state.phase !== "idle") return false;
		this.#handle({ type: "requested", because });
		return true;
	}

	/** Goes on with what an earlier agent began. */
	adopt(role: "successor" | "predecessor"): void {
		const because = "begun by an earlier agent";
		this.#handle({ type: role === "predecessor" ? "adoptedDraining" : "adoptedStarting", because });
	}

	/** `because`: how it ended. */
	successorExited(because: string): void {
		this.#handle({ type: "successorExited", because });
	}

	happens(type: "predecessorExited" | "cancelled"): void {
		this.#handle({ type });
	}

	/** Resolves when the pod has its new Envoy, or keeps the old one; that the old one has ended is not waited for. */
	async decided(): Promise<HandoverOutcome | undefined> {
		while (!this.#closed && ["starting", "proving", "abandoning"].includes(this.#state.phase))
			await new Promise<void>((resolve) => this.#waiting.add(resolve));
		if (this.#state.phase === "idle") return this.#state.last;
		return { ok: true, because: this.#state.because };
	}

	/** Leaves both as they are, for the next agent. */
	close(): void {
		this.#closed = true;
		this.#timers.clearAll();
		this.#wake();
	}

	#handle(event: HandoverEvent): void {
		if (this.#closed) return;
		const before = this.#state.phase;
		const { state, actions } = step(this.#config, this.#state, event);
		this.#state = state;
		if (state.phase !== before) {
			const fact = { pod: this.#deps.owner, from: before, to: state.phase };
			this.#deps.log.info("because" in state ? { ...fact, because: state.because } : fact, "handover changed phase");
		}
		for (const action of actions) this.#perform(action);
		if (state.phase !== before) {
			this.#deps.beside.changed();
			this.#wake();
		}
	}

	#perform(action: HandoverAction): void {
		const { beside, pod } = this.#deps;
		switch (action.type) {
			case "startSuccessor":
				this.#run(async (): Promise<HandoverEvent> => {
					const shared = await sharePorts(pod.netns);
					if (!shared.ok)
						return { type: "successorNotStarted", because: `ports cannot be handed over: ${shared.because}` };
					const started = await beside.start();
					return started.ok ? { type: "successorStarted" } : { type: "successorNotStarted", because: started.because };
				});
				break;
			case "probe":
				this.#run(async (): Promise<HandoverEvent> => {
					const readiness = await askReadiness(beside.admin);
					if (readiness.ready && this.#state.phase === "starting")
						await beside.admin.post(`/runtime_modify?${readyRuntimeKey}=100`);
					return { type: "probed", because: "", ...readiness };
				});
				break;
			case "promote":
				this.#promoted = beside.promote();
				this.#run(() => this.#promoted.then(() => undefined));
				break;
			case "retirePredecessor":
				// First its signs of life: they would hide that the new one hangs.
				void this.#promoted.finally(() =>
					this.#tell(
						`/runtime_modify?circuit_breakers.${leaseClusterName}.default.max_connections=0`,
						"/drain_listeners",
					),
				);
				break;
			case "stopSuccessor":
				this.#tell("/drain_listeners?graceful&skip_exit", "/drain_listeners");
				break;
			case "closeAll":
				this.#tell("/drain_listeners?graceful&skip_exit");
				break;
			case "pace":
				this.#run(async () => {
					await writeFileAtomic(beside.pressureFile, `${action.pressure.toFixed(6)}\n`, 0o644);
					return undefined;
				});
				break;
			case "count":
				this.#run(async (): Promise<HandoverEvent> => {
					const connections = await askConnections(beside.admin, pod.proxy);
					const responses = await askResponses(beside.admin);
					return {
						type: "counted",
						...(connections ? { connections } : {}),
						...(responses === undefined ? {} : { responses }),
					};
				});
				break;
			case "signal":
				beside.signal(action.signal);
				break;
			case "setTimer":
				this.#timers.set(action.timer, action.afterMs);
				break;
			case "clearTimers":
				this.#timers.clearAll();
				break;
			case "report": {
				const { ok, because } = action;
				if (!ok) this.#deps.log.warn({ pod: this.#deps.owner, because }, "the pod keeps its Envoy");
				this.#deps.onEnded?.({ ok, because });
				break;
			}
			default:
				action satisfies never;
		}
	}

	#run(work: () => Promise<HandoverEvent | undefined>): void {
		work().then(
			(event) => event && this.#handle(event),
			(error: unknown) => this.#deps.log.error({ pod: this.#deps.owner, error: String(error) }, "action failed"),
		);
	}

	/** One after the other. */
	#tell(...commands: readonly string[]): void {
		this.#run(async () => {
			const { beside, owner, log } = this.#deps;
			for (const path of commands) await tellEnvoy(beside.admin, path, owner, log);
			return undefined;
		});
	}

	#wake(): void {
		for (const resolve of this.#waiting) resolve();
		this.#waiting.clear();
	}
}
