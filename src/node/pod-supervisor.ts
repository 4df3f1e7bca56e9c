// One pod's Envoy and redirect, kept as the machine in plan/proxy-machine.ts decides. In: a pod, perhaps with an Envoy that
// already runs. Out: a running, ready Envoy; on request drained and stopped. All decisions are in the machine.

import { realpathSync } from "node:fs";
import { chmod, chown, mkdir, rm } from "node:fs/promises";
import { type PlaintextPorts, planRedirect, type RedirectPlan } from "../hotswitch/redirect-plan.ts";
import { proxyUid, renderRedirect, renderReleasedRedirect } from "../hotswitch/render-redirect.ts";
import { applyRedirect, removeRedirect } from "../kernel/namespace-redirect.ts";
import type { Cancel, Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { writeFileAtomic } from "./atomic-file.ts";
import { blockedDirectories } from "./blocked-directories.ts";
import { type EnvoyAdmin, envoyAdmin } from "./envoy-admin.ts";
import { envoyCommand, programInDescriptor3 } from "./plan/envoy-command.ts";
import { connectionsFilter, connectionsOf, isLive, readinessFilter, readinessOf } from "./plan/envoy-stats.ts";
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
import type { ProcessIdentity } from "./process-table.ts";
import { adoptSurviving, boundLog, launchSurviving, type SurvivingProcess } from "./surviving-process.ts";

export interface PodSupervisorDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** Path of the Envoy binary. */
	readonly envoy: string;
	readonly state: string;
	readonly bootstrapOf: (pod: PodSpec) => object;
	/** Where captured DNS queries go; absent: dnsCapture does nothing. */
	readonly dns?: { readonly address: string; readonly port: number };
	/** Called when the process changed, to have it on disk. */
	readonly onProcess: (process: ProcessIdentity | undefined) => Promise<void>;
	readonly onStopped: () => Promise<void>;
	readonly machine?: Partial<ProxyMachineConfig>;
	/** Default 10 MiB, and as much again for the older part. */
	readonly maxLogBytes?: number;
}

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
		const { plan, problems } = planRedirect({
			owner: `${pod.namespace}/${pod.name}`,
			mode: pod.interceptionMode,
			ips: pod.ips,
			annotations: pod.annotations,
			...(pod.dnsCapture && deps.dns ? { dns: deps.dns } : {}),
		});
		this.#plan = plan;
		this.warnings = problems.map((problem) => `${problem.annotation}: ${problem.message}; ${problem.hint}`);
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
		// What stands for a pod that leaves is made anew only when it is released.
		this.#run(() => this.#applyRedirect(({ phase, redirected }) => redirected && !leavingPhases.has(phase)));
	}

	/** Leaves Envoy and redirect as they are and forgets about them: for an agent that ends. */
	release(): void {
		this.#closed = true;
		this.#clearTimers();
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
					const answer = await this.admin.get(`/stats?filter=${encodeURIComponent(connectionsFilter)}`);
					if (!answer) return { type: "connectionsCounted" };
					return { type: "connectionsCounted", connections: connectionsOf(answer.body, this.pod.proxy) };
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
				ruleset: renderRedirect(this.plan),
				ipv6: this.plan.families.includes(6),
				lowPorts: this.pod.proxy === "router",
			});
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
		try {
			// What root reads and writes lies where Envoy's user cannot put anything in its place.
			await mkdir(this.paths.sockets, { recursive: true });
			await chown(this.paths.directory, 0, proxyUid);
			await chmod(this.paths.directory, 0o710);
			await chown(this.paths.sockets, proxyUid, proxyUid);
			await chmod(this.paths.sockets, 0o700);
			const bootstrap = `${JSON.stringify(this.#deps.bootstrapOf(this.pod), undefined, 1)}\n`;
			await writeFileAtomic(this.paths.bootstrap, bootstrap, 0o640);
			await chown(this.paths.bootstrap, 0, proxyUid);
		} catch (error) {
			return { type: "processNotStarted", because: String(error) };
		}
		this.trimLog();
		const { envoy } = this.#deps;
		const isReachable = blockedDirectories(realpathSync(envoy)).length === 0;
		const command = envoyCommand({
			envoy: isReachable ? envoy : programInDescriptor3,
			netns: this.pod.netns,
			bootstrap: this.paths.bootstrap,
			concurrency: this.pod.concurrency,
			transparent: this.pod.interceptionMode === "TPROXY",
		});
		const launched = await launchSurviving({
			...command,
			log: this.paths.log,
			...(isReachable ? {} : { descriptor3: envoy }),
			onExit: (because) => this.#onExit(because),
		});
		if (!launched.ok) return { type: "processNotStarted", because: launched.because };
		this.#process = launched.process;
		await this.#deps.onProcess(launched.process.identity);
		// It may have ended meanwhile; that was said already.
		if (this.#process !== launched.process) return undefined;
		return { type: "processStarted", pid: launched.process.identity.pid };
	}

	async #probe(): Promise<ProxyEvent> {
		const ready = (await this.admin.get("/ready"))?.body ?? "";
		const path = `/stats?filter=${encodeURIComponent(readinessFilter)}`;
		const stats = isLive(ready) ? ((await this.admin.get(path))?.body ?? "") : "";
		const readiness = readinessOf(ready, stats);
		return { type: "probed", ready: readiness.ready, because: readiness.ready ? "" : readiness.because };
	}

	#onExit(because: string): void {
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
