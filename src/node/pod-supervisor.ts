// One pod's Envoy and redirect, kept as the machine in plan/proxy-machine.ts decides. In: a pod, perhaps with an Envoy that
// already runs. Out: a running, ready Envoy; on request drained and stopped. All decisions are in the machine.

import { rm } from "node:fs/promises";
import type { PlaintextPorts, RedirectPlan } from "../hotswitch/redirect-plan.ts";
import { renderRedirect, renderReleasedRedirect } from "../hotswitch/render-redirect.ts";
import { openPodPath } from "../kernel/linux/open-pod-path.ts";
import { applyRedirect, removeRedirect } from "../kernel/namespace-redirect.ts";
import type { Cancel } from "../runtime/clock.ts";
import { askConnections, askReadiness } from "./ask-envoy.ts";
import { type EnvoyAdmin, envoyAdmin } from "./envoy-admin.ts";
import { planPod } from "./plan/plan-pod.ts";
import { readyRuntimeKey } from "./plan/pod-bootstrap.ts";
import { type PodPaths, podPaths } from "./plan/pod-paths.ts";
import type { PodSpec } from "./plan/pod-spec.ts";
import {
	defaultProxyMachineConfig,
	newProxy,
	type ProxyAction,
	type ProxyEvent,
	type ProxyMachineConfig,
	type ProxyState,
	type ProxyTimer,
	step,
} from "./plan/proxy-machine.ts";
import { PodHotSwitch } from "./pod-hot-switch.ts";
import type { PodSupervisorDeps } from "./pod-supervisor-deps.ts";
import type { ProcessIdentity } from "./process-table.ts";
import { givesSignsOfLife, startEnvoy } from "./start-envoy.ts";
import { adoptSurviving, boundLog, type SurvivingProcess } from "./surviving-process.ts";

const leavingPhases: ReadonlySet<ProxyState["phase"]> = new Set([
	"releasing",
	"settling",
	"stopping",
	"stopped",
	"failed",
]);

export class PodSupervisor {
	readonly pod: PodSpec;
	readonly paths: PodPaths;
	readonly admin: EnvoyAdmin;
	readonly warnings: readonly string[];
	/** Only of a sidecar that has a redirect. */
	readonly hotSwitch: PodHotSwitch | undefined;
	readonly #deps: PodSupervisorDeps;
	readonly #config: ProxyMachineConfig;
	readonly #timers = new Map<ProxyTimer, Cancel>();
	readonly #waiting = new Set<(state: ProxyState) => boolean>();
	#plan: RedirectPlan;
	/** Changes of the kernel, one after the other. */
	#kernel: Promise<unknown> = Promise.resolve();
	#state: ProxyState = newProxy;
	#process: SurvivingProcess | undefined;
	readonly #finished = Promise.withResolvers<void>();
	#restarts = 0;
	#closed = false;

	constructor(pod: PodSpec, deps: PodSupervisorDeps) {
		this.pod = pod;
		this.#deps = deps;
		this.#config = { ...defaultProxyMachineConfig, ...deps.machine };
		this.paths = podPaths(deps.state, pod.uid);
		this.admin = envoyAdmin(this.paths.adminSocket);
		const { plan, warnings } = planPod(pod, deps.dns);
		this.#plan = plan;
		if (deps.hotSwitch && pod.proxy === "sidecar" && plan.inbound !== "NONE") {
			this.#plan = { ...plan, lease: deps.hotSwitch };
			this.hotSwitch = new PodHotSwitch(plan.owner, {
				...deps,
				policy: deps.hotSwitch,
				openPath: () => openPodPath(pod.netns),
				killProcess: () => this.#process?.signal("SIGKILL"),
			});
		}
		this.warnings = warnings;
	}

	get plan(): RedirectPlan {
		return this.#plan;
	}

	get state(): ProxyState {
		return this.#state;
	}

	get process(): ProcessIdentity | undefined {
		return this.#process?.identity;
	}

	/** How often Envoy ended without being told to. */
	get restarts(): number {
		return this.#restarts;
	}

	/** Starts the redirect and Envoy, or takes over one that runs. */
	open(running?: ProcessIdentity): void {
		if (!running) {
			this.#handle({ type: "opened" });
			return;
		}
		this.hotSwitch?.happens({ type: "adopted" });
		if (!givesSignsOfLife(this.paths)) this.#plan = { ...this.#plan, lease: undefined };
		this.#process = adoptSurviving(running, (because) => this.#onExit(because), this.#deps.clock);
		this.#handle({ type: "adopted", pid: running.pid });
	}

	/** Ends inbound gracefully; outbound goes on until stop. */
	drain(): void {
		this.#handle({ type: "drainRequested" });
	}

	/** Drains for at most `graceMs`, then removes the redirect and ends Envoy. */
	stop(graceMs: number): void {
		this.#handle({ type: "stopRequested", graceMs });
	}

	/** Resolves as soon as the state satisfies the condition; rejects never. */
	when(condition: (state: ProxyState) => boolean): Promise<ProxyState> {
		if (condition(this.#state)) return Promise.resolve(this.#state);
		return new Promise((resolve) => {
			this.#waiting.add((state) => {
				if (!condition(state)) return false;
				resolve(state);
				return true;
			});
		});
	}

	/** Resolves when it has been stopped and its files are gone. */
	get finished(): Promise<void> {
		return this.#finished.promise;
	}

	/** Where the application may be reached when its Envoy is gone. Until this was said: nowhere. */
	allowPlaintext(plaintext: PlaintextPorts): void {
		if (this.#closed || JSON.stringify(plaintext) === JSON.stringify(this.#plan.plaintext)) return;
		this.#plan = { ...this.#plan, plaintext };
		this.hotSwitch?.follow({ ...this.hotSwitch.policy, permitsPlaintext: plaintext.others });
		// What stands for a pod that leaves is made anew only when it is released.
		this.#run(() => this.#applyRedirect(({ phase, redirected }) => redirected && !leavingPhases.has(phase)));
	}

	/** Leaves Envoy and redirect as they are and forgets about them: for an agent that ends. */
	release(): void {
		this.#closed = true;
		this.#clearTimers();
		this.hotSwitch?.close();
		this.#process?.release();
	}

	/** Keeps the log within its bound; called from time to time. */
	trimLog(): void {
		boundLog(this.paths.log, this.#deps.maxLogBytes ?? 10 * 1024 * 1024);
	}

	#handle(event: ProxyEvent): void {
		if (this.#closed) return;
		const before = this.#state;
		const { state, actions } = step(this.#config, before, event);
		this.#state = state;
		if (before.phase !== state.phase)
			this.#deps.log.info(
				{
					pod: this.plan.owner,
					from: before.phase,
					to: state.phase,
					...("because" in event ? { because: event.because } : {}),
				},
				"proxy changed phase",
			);
		if (state.phase === "ready" && before.phase === "starting") this.hotSwitch?.happens({ type: "ready" });
		if (leavingPhases.has(state.phase)) this.hotSwitch?.close();
		for (const action of actions) this.#perform(action);
		for (const waiting of this.#waiting) if (waiting(state)) this.#waiting.delete(waiting);
	}

	#perform(action: ProxyAction): void {
		switch (action.type) {
			case "applyRedirect":
				this.#run(() => this.#applyRedirect());
				break;
			case "releaseRedirect":
				this.#run(() => this.#releaseRedirect());
				break;
			case "startProcess":
				this.#run(() => this.#startProcess());
				break;
			case "probe":
				this.#run(() => this.#probe());
				break;
			case "countConnections":
				this.#run(async () => {
					const connections = await askConnections(this.admin, this.pod.proxy);
					return { type: "connectionsCounted", ...(connections ? { connections } : {}) };
				});
				break;
			case "markReady":
				this.#tell(`/runtime_modify?${readyRuntimeKey}=100`);
				break;
			case "markNotReady":
				this.#tell(`/runtime_modify?${readyRuntimeKey}=0`);
				break;
			case "drainInbound":
				this.#tell(`/drain_listeners?graceful${this.pod.proxy === "sidecar" ? "&inboundonly" : ""}`);
				break;
			case "signal":
				this.#process?.signal(action.signal);
				break;
			case "setTimer":
				this.#timers.get(action.timer)?.();
				this.#timers.set(
					action.timer,
					this.#deps.clock.after(action.afterMs, () => this.#handle({ type: "timerFired", timer: action.timer })),
				);
				break;
			case "clearTimers":
				this.#clearTimers();
				break;
			case "finish":
				this.#run(async () => {
					this.#process = undefined;
					const removed = await removeRedirect(this.pod.netns);
					if (!removed.ok) this.#deps.log.warn({ pod: this.plan.owner, ...removed }, "redirect could not be removed");
					await rm(this.paths.directory, { recursive: true, force: true });
					await this.#deps.onStopped();
					this.#finished.resolve();
					return undefined;
				});
				break;
			default:
				action satisfies never;
		}
	}

	#run(work: () => Promise<ProxyEvent | undefined>): void {
		work().then(
			(event) => event && this.#handle(event),
			(error: unknown) => this.#deps.log.error({ pod: this.plan.owner, error: String(error) }, "action failed"),
		);
	}

	#tell(path: string): void {
		this.#run(async () => {
			const answer = await this.admin.post(path);
			if (answer?.status !== 200)
				this.#deps.log.warn({ pod: this.plan.owner, path, status: answer?.status }, "Envoy did not take a command");
			return undefined;
		});
	}

	/** Nothing is done when the condition does not hold by the time that it is this change's turn. */
	#applyRedirect(isWanted: (state: ProxyState) => boolean = () => true): Promise<ProxyEvent | undefined> {
		return this.#inOrder(async () => {
			if (!isWanted(this.#state)) return undefined;
			const result = await applyRedirect(this.pod.netns, {
				ruleset: renderRedirect(this.plan, [], this.hotSwitch?.path),
				ipv6: this.plan.families.includes(6),
				lowPorts: this.pod.proxy === "router",
			});
			if (result.ok && this.plan.lease) this.hotSwitch?.tableApplied();
			if (result.ok) return { type: "redirectApplied" };
			return { type: "redirectRefused", because: `${result.message}; ${result.hint}` };
		});
	}

	#releaseRedirect(): Promise<ProxyEvent> {
		return this.#inOrder(async () => {
			const ruleset = renderReleasedRedirect(this.plan);
			// A namespace that has gone, as after the end of a pod, needs no release.
			const released = await applyRedirect(this.pod.netns, { ruleset, ipv6: false, lowPorts: false });
			if (!released.ok) this.#deps.log.debug({ pod: this.plan.owner, ...released }, "redirect was not released");
			return { type: "redirectReleased" };
		});
	}

	#inOrder<Result>(change: () => Promise<Result>): Promise<Result> {
		const done = this.#kernel.then(change);
		this.#kernel = done.catch(() => {});
		return done;
	}

	async #startProcess(): Promise<ProxyEvent | undefined> {
		this.trimLog();
		const launched = await startEnvoy({
			pod: this.pod,
			paths: this.paths,
			bootstrap: this.#deps.bootstrapOf(this.pod),
			envoy: this.#deps.envoy,
			onExit: (because) => this.#onExit(because),
		});
		if (!launched.ok) return { type: "processNotStarted", because: launched.because };
		this.#process = launched.process;
		this.hotSwitch?.happens({ type: "processStarted" });
		this.#leaseAgain();
		await this.#deps.onProcess(launched.process.identity);
		// It may have ended meanwhile; that was said already.
		if (this.#process !== launched.process) return undefined;
		return { type: "processStarted", pid: launched.process.identity.pid };
	}

	async #probe(): Promise<ProxyEvent> {
		const readiness = await askReadiness(this.admin);
		if (!readiness.ready) return { type: "probed", ready: false, because: readiness.because };
		// A table that is being made anew begins with the path of before; and a silent proxy would get no connection.
		if (this.hotSwitch) await this.#kernel;
		if (this.#state.redirected && this.plan.lease && this.hotSwitch?.isHeard() === false)
			return { type: "probed", ready: false, because: "it has shown the kernel no sign of life yet" };
		return { type: "probed", ready: true, because: "" };
	}

	#leaseAgain(): void {
		if (!this.hotSwitch || this.#plan.lease) return;
		this.#plan = { ...this.#plan, lease: this.hotSwitch.policy };
		this.#run(() => this.#applyRedirect(({ phase, redirected }) => redirected && !leavingPhases.has(phase)));
	}

	#onExit(because: string): void {
		// Before anything else: from now on new connections go elsewhere.
		this.hotSwitch?.happens({ type: "processExited", because });
		this.#process = undefined;
		this.#restarts++;
		this.#run(async () => {
			await this.#deps.onProcess(undefined);
			return { type: "processExited", because };
		});
	}

	#clearTimers(): void {
		for (const cancel of this.#timers.values()) cancel();
		this.#timers.clear();
	}
}
