// One pod's Envoy and redirect, kept as the machine in plan/proxy-machine.ts decides. In: a pod, perhaps with an Envoy that
// already runs. Out: a running, ready Envoy; on request drained and stopped. All decisions are in the machine.

import { rm } from "node:fs/promises";
import type { PlaintextPorts, RedirectPlan } from "../hotswitch/redirect-plan.ts";
import { openPodPath } from "../kernel/linux/open-pod-path.ts";
import { NamedTimers } from "../runtime/named-timers.ts";
import { askConnections, tellEnvoy } from "./ask-envoy.ts";
import type { EnvoyAdmin } from "./envoy-admin.ts";
import { lookAtWorkers, type ProcessorLook } from "./is-starved.ts";
import { readKeptRedirect } from "./kept-redirect.ts";
import type { HandoverOutcome } from "./plan/handover-machine.ts";
import { planPod } from "./plan/plan-pod.ts";
import { readyRuntimeKey } from "./plan/pod-bootstrap.ts";
import type { PodPaths } from "./plan/pod-paths.ts";
import type { PodSpec } from "./plan/pod-spec.ts";
import {
	defaultProxyMachineConfig,
	leavingPhases,
	newProxy,
	type ProxyAction,
	type ProxyEvent,
	type ProxyMachineConfig,
	type ProxyState,
	type ProxyTimer,
	step,
} from "./plan/proxy-machine.ts";
import { PodHotSwitch } from "./pod-hot-switch.ts";
import { PodProcesses, type RunningProxies } from "./pod-processes.ts";
import { PodRedirect } from "./pod-redirect.ts";
import type { PodSupervisorDeps } from "./pod-supervisor-deps.ts";
import { PodWatch } from "./pod-watch.ts";
import type { ProcessIdentity } from "./process-table.ts";
import { RouterWatch } from "./router-watch.ts";
import { givesSignsOfLife } from "./start-envoy.ts";
import { StartProbe } from "./start-probe.ts";
import { StateWaiters } from "./state-waiters.ts";

/** An Envoy that kubelet starts again is waited for from the first moment on. */
const awaited = { restartFirstMs: 0, restartMaxMs: 0 };

export class PodSupervisor {
	readonly pod: PodSpec;
	readonly warnings: readonly string[];
	/** Only of a sidecar that has a redirect. */
	readonly hotSwitch: PodHotSwitch | undefined;
	readonly #deps: PodSupervisorDeps;
	readonly #config: ProxyMachineConfig;
	readonly #timers: NamedTimers<ProxyTimer>;
	readonly #waiters = new StateWaiters<ProxyState>();
	readonly #redirect: PodRedirect;
	readonly #process: PodProcesses;
	readonly #watch: PodWatch;
	readonly #probe: StartProbe;
	#state: ProxyState = newProxy;
	readonly #finished = Promise.withResolvers<void>();
	#closed = false;

	constructor(pod: PodSpec, deps: PodSupervisorDeps) {
		this.pod = pod;
		this.#deps = deps;
		this.#timers = new NamedTimers(deps.clock, (timer) => this.#handle({ type: "timerFired", timer }));
		this.#config = { ...defaultProxyMachineConfig, ...(pod.container ? awaited : {}), ...deps.machine };
		const { plan, warnings } = planPod(pod, deps.dns);
		this.#process = new PodProcesses(pod, {
			...deps,
			owner: plan.owner,
			heartbeatMs: () => this.hotSwitch?.told.heartbeatMs,
			onExit: (because, cause) => this.#onExit(because, cause),
			onReplaced: (pid) => this.#onReplaced(pid),
		});
		const isSwitched = pod.proxy === "sidecar" && plan.inbound !== "NONE";
		const lease = isSwitched ? deps.hotSwitch : undefined;
		this.#redirect = new PodRedirect(pod, lease ? { ...plan, lease } : plan, {
			file: this.paths.keptRedirect,
			log: deps.log,
			hotSwitch: () => this.hotSwitch,
		});
		const kill = (): void => this.#process.signal("SIGKILL");
		const look = (): ProcessorLook | undefined =>
			this.process && lookAtWorkers(this.process.pid, deps.clock.monotonicMs());
		if (lease)
			this.hotSwitch = new PodHotSwitch(plan.owner, {
				...deps,
				policy: lease,
				told: deps.policyOf?.(pod),
				keptFile: this.paths.keptSwitch,
				onPolicy: () => this.plan.lease && this.#lease(),
				openPath: () => openPodPath(pod.netns),
				killProcess: kill,
				lookAtWorkers: look,
			});
		this.#probe = new StartProbe({
			clock: deps.clock,
			admin: () => this.admin,
			hotSwitch: () => this.hotSwitch,
			tableSettled: async () => {
				if (this.hotSwitch) await this.#redirect.settled();
				return this.#state.redirected && this.plan.lease !== undefined;
			},
			kill,
		});
		const proxy = () => ({ socketPath: this.paths.watchSocket, admin: this.admin, concurrency: pod.concurrency });
		const onChange = deps.onSwitched ?? (() => {});
		const watched = { ...deps, proxy, owner: plan.owner, kill, lookAtWorkers: look, onChange };
		const router = pod.proxy === "router" ? { router: new RouterWatch(watched) } : {};
		this.#watch = new PodWatch(this.hotSwitch, { ...watched, ...router });
		this.warnings = warnings;
	}

	get plan(): RedirectPlan {
		return this.#redirect.plan;
	}

	get state(): ProxyState {
		return this.#state;
	}

	/** Of the Envoy that has the pod now. */
	get paths(): PodPaths {
		return this.#process.paths;
	}

	get admin(): EnvoyAdmin {
		return this.#process.admin;
	}

	/** The one that has the pod, and the one beside it. */
	get proxies(): PodProcesses {
		return this.#process;
	}

	get process(): ProcessIdentity | undefined {
		return this.#process.identity;
	}

	/** How often Envoy ended without being told to. */
	get restarts(): number {
		return this.#process.restarts;
	}

	/** Something is wrong that costs no connection; empty: nothing. */
	get remark(): string {
		return this.#watch.remark;
	}

	/** Starts the redirect and Envoy, or takes over what an earlier agent has left: a process, a table. */
	open(left: RunningProxies = {}): void {
		this.#process.adopt(left);
		const running = left.process;
		if (running && !givesSignsOfLife(this.paths)) this.#redirect.change({ lease: undefined });
		this.#adoptTable(running !== undefined);
		if (!running) {
			this.#handle({ type: "opened" });
			return;
		}
		this.#handle({ type: "adopted", pid: running.pid });
	}

	/** Another Envoy takes over, with no connection refused. Undefined where that cannot begin now. */
	replace(because: string): Promise<HandoverOutcome | undefined> | undefined {
		return this.#state.phase === "ready" && !this.#closed ? this.#process.replace(because) : undefined;
	}

	/** Ends inbound gracefully; outbound goes on until stop. */
	drain(): void {
		this.#process.cancelHandover();
		this.#handle({ type: "drainRequested" });
	}

	/** Drains for at most `graceMs`, then removes the redirect and ends Envoy. */
	stop(graceMs: number): void {
		this.#process.cancelHandover();
		this.#handle({ type: "stopRequested", graceMs });
	}

	/** Resolves as soon as the state satisfies the condition; rejects never. */
	when(condition: (state: ProxyState) => boolean): Promise<ProxyState> {
		return this.#waiters.when(this.#state, condition);
	}

	/** Resolves when it has been stopped and its files are gone. */
	get finished(): Promise<void> {
		return this.#finished.promise;
	}

	/** Where the application may be reached when its Envoy is gone. Until this was said: nowhere. */
	allowPlaintext(plaintext: PlaintextPorts): void {
		if (this.#closed || JSON.stringify(plaintext) === JSON.stringify(this.plan.plaintext)) return;
		this.#redirect.change({ plaintext });
		this.hotSwitch?.follow({ ...this.hotSwitch.told, permitsPlaintext: plaintext.others });
		// What stands for a pod that leaves is made anew only when it is released.
		this.#run(() => this.#redirect.apply(() => this.#isCaught()));
	}

	/** Leaves Envoy and redirect as they are and forgets about them: for an agent that ends. */
	release(): void {
		this.#closed = true;
		this.#watch.close();
		this.#timers.clearAll();
		this.hotSwitch?.close();
		this.#process.release();
	}

	/** Keeps the log within its bound; called from time to time. */
	trimLog(): void {
		this.#process.trimLog();
	}

	#adoptTable(isRunning: boolean): void {
		const kept = readKeptRedirect(this.paths.keptRedirect);
		if (kept && this.plan.lease && kept.lease) {
			const { plaintext, lease } = kept;
			this.#redirect.change({ plaintext, ...(isRunning ? { lease } : {}) });
			this.hotSwitch?.follow({ ...this.hotSwitch.told, permitsPlaintext: plaintext.others });
		}
		const stands = this.hotSwitch?.adopt(isRunning, kept && this.plan.lease ? kept.lease : undefined);
		if (kept && stands) this.#redirect.adopt(kept);
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
		this.#watch.follow(state.phase);
		for (const action of actions) this.#perform(action);
		this.#waiters.tell(state);
	}

	#perform(action: ProxyAction): void {
		switch (action.type) {
			case "applyRedirect":
				this.#run(() => this.#redirect.apply());
				break;
			case "releaseRedirect":
				this.#run(() => this.#redirect.release());
				break;
			case "startProcess":
				this.#run(() => this.#startProcess());
				break;
			case "probe":
				this.#run(() => this.#probe.ask());
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
				this.#process.signal(action.signal);
				break;
			case "setTimer":
				this.#timers.set(action.timer, action.afterMs);
				break;
			case "clearTimers":
				this.#timers.clearAll();
				break;
			case "finish":
				this.#run(async () => {
					this.#process.forget();
					await this.#redirect.remove();
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
		this.#run(() => tellEnvoy(this.admin, path, this.plan.owner, this.#deps.log));
	}

	async #startProcess(): Promise<ProxyEvent | undefined> {
		const started = await this.#process.start(this.hotSwitch?.takeLease().heartbeatMs);
		if (!started.ok) return { type: "processNotStarted", because: started.because };
		this.#probe.reset();
		this.hotSwitch?.happens({ type: "processStarted" });
		this.#lease();
		await this.#deps.onProcess(started.identity);
		// It may have ended meanwhile; that was said already.
		if (this.#process.identity !== started.identity) return undefined;
		return { type: "processStarted", pid: started.identity.pid };
	}

	async #onReplaced(pid: number): Promise<void> {
		this.#watch.renew();
		this.#handle({ type: "processReplaced", pid });
		if (this.hotSwitch && this.plan.lease?.leaseMs !== this.hotSwitch.takeLease().leaseMs) this.#lease();
		await this.#redirect.settled();
	}

	/** The table's lease is that of the process which runs. */
	#lease(): void {
		if (!this.hotSwitch) return;
		const { leaseMs, hangMs } = this.hotSwitch.policy;
		this.#redirect.change({ lease: { leaseMs, hangMs } });
		this.#run(() => this.#redirect.apply(() => this.#isCaught()));
	}

	#onExit(because: string, cause?: "outOfMemory"): void {
		// Before anything else: from now on new connections go elsewhere.
		this.hotSwitch?.happens({ type: "processExited", because, ...(cause ? { cause } : {}) });
		this.#watch.ended(because, cause);
		this.#run(async () => {
			await this.#deps.onProcess(undefined);
			return { type: "processExited", because };
		});
	}

	/** Its redirect stands, and shall stand. */
	#isCaught(): boolean {
		return this.#state.redirected && !leavingPhases.has(this.#state.phase);
	}
}
