// Runs one container of a pod by the container machine: its process, its probes, its restarts.

import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { boundLog } from "../node/surviving-process.ts";
import type { Container } from "../resources/kinds/core.ts";
import type { Cancel, Clock } from "../runtime/clock.ts";
import { type ContainerEvent, type ContainerState, newContainer, step } from "./plan/container-machine.ts";
import type { LabContainer } from "./plan/lab-pod.ts";
import { type PlannedProbe, planProbes } from "./plan/probe-plan.ts";
import { type PodPlace, spawnInPod } from "./pod-process.ts";
import { runProbe } from "./run-probe.ts";

export interface ContainerRunnerOptions {
	readonly container: Container;
	readonly place: PodPlace;
	readonly address: string;
	/** What runs, already looked up in the image map. */
	readonly command: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	readonly logFile: string;
	readonly clock: Clock;
	readonly onChange: () => void;
	readonly onEvent: (what: string) => void;
}

const maxLogBytes = 1024 * 1024;

export class ContainerRunner {
	readonly #options: ContainerRunnerOptions;
	readonly #plan;
	#state: ContainerState = newContainer;
	#child: ChildProcess | undefined;
	#ended: Promise<void> = Promise.resolve();
	/** Counts the runs, so that a probe's late answer is not taken for the next process. */
	#run = 0;
	#cancels: Cancel[] = [];

	constructor(options: ContainerRunnerOptions) {
		this.#options = options;
		this.#plan = planProbes(options.container);
	}

	get status(): LabContainer {
		const { phase, ready, restarts, because } = this.#state;
		const running = phase === "running" || phase === "stopping";
		return { name: this.#options.container.name, running, ready, restarts, because };
	}

	start(): void {
		const { place, command, env, logFile, container, clock } = this.#options;
		this.#run += 1;
		boundLog(logFile, maxLogBytes);
		const log = openSync(logFile, "a", 0o644);
		const cwd = container.workingDir && existsSync(container.workingDir) ? container.workingDir : "/";
		const child = spawnInPod(place, command, { detached: true, stdio: ["ignore", log, log], env, cwd });
		closeSync(log);
		this.#child = child;
		this.#ended = new Promise((resolve) => {
			const end = (because: string): void => {
				if (this.#child !== child) return;
				this.#child = undefined;
				this.#stopTimers();
				resolve();
				if (this.#state.phase === "running") this.#options.onEvent(`container ${container.name} ${because}`);
				this.#on({ type: "processEnded", atMs: clock.monotonicMs(), because });
			};
			child.once("error", (error) => end(error.message));
			child.once("exit", (code, signal) => end(signal ? `was ended by ${signal}` : `exited with code ${code}`));
		});
		this.#on({ type: "processStarted", atMs: clock.monotonicMs() });
		for (const probe of this.#plan.probes) this.#schedule(probe, probe.initialDelayMs, this.#run);
	}

	/** preStop, SIGTERM, and SIGKILL when the grace is over. */
	async stop(graceMs: number): Promise<void> {
		this.#on({ type: "stopRequested" });
		this.#stopTimers();
		if (!this.#child) return;
		const { clock, container } = this.#options;
		const untilMs = clock.monotonicMs() + graceMs;
		await this.#preStop(container, graceMs);
		this.signal("SIGTERM");
		await Promise.race([this.#ended, this.#wait(Math.max(0, untilMs - clock.monotonicMs()))]);
		this.signal("SIGKILL");
		await this.#ended;
	}

	/** To the container's whole process group. */
	signal(signal: NodeJS.Signals): void {
		const pid = this.#child?.pid;
		if (pid === undefined) return;
		try {
			process.kill(-pid, signal);
		} catch {
			// It ended just now.
		}
	}

	trimLog(): void {
		boundLog(this.#options.logFile, maxLogBytes);
	}

	async #preStop(container: Container, graceMs: number): Promise<void> {
		const hook = container.lifecycle?.preStop;
		if (hook?.sleep) await this.#wait(Math.min(graceMs, hook.sleep.seconds * 1000));
		if (!hook?.exec) return;
		const { place, env } = this.#options;
		const child = spawnInPod(place, hook.exec.command, { stdio: "ignore", env, timeout: graceMs });
		await new Promise<void>((resolve) => {
			child.once("exit", () => resolve()).once("error", () => resolve());
		});
	}

	#on(event: ContainerEvent): void {
		const before = this.#state;
		const { state, actions } = step(this.#plan.config, before, event);
		this.#state = state;
		for (const action of actions) {
			switch (action.type) {
				case "startProcess":
					this.start();
					break;
				case "pause":
					this.#cancels.push(this.#options.clock.after(action.ms, () => this.#on({ type: "pauseOver" })));
					break;
				case "killProcess":
					this.#options.onEvent(`container ${this.#options.container.name} is killed: ${action.because}`);
					this.signal("SIGTERM");
					this.#cancels.push(this.#options.clock.after(5000, () => this.signal("SIGKILL")));
					break;
				default:
					action satisfies never;
			}
		}
		if (state.phase !== before.phase || state.ready !== before.ready || state.because !== before.because)
			this.#options.onChange();
	}

	#schedule(probe: PlannedProbe, afterMs: number, run: number): void {
		this.#cancels.push(this.#options.clock.after(afterMs, () => void this.#ask(probe, run)));
	}

	async #ask(probe: PlannedProbe, run: number): Promise<void> {
		// Liveness and readiness begin when the startup probe has passed.
		const waits = probe.probe !== "startup" && !this.#state.started;
		if (probe.probe === "startup" && this.#state.started) return;
		if (!waits) {
			const { place, address, env } = this.#options;
			const outcome = await runProbe(probe, { place, address, env });
			if (run !== this.#run || !this.#child) return;
			this.#on({ type: "probed", probe: probe.probe, ...outcome });
		}
		if (run !== this.#run || !this.#child) return;
		const soon = waits || !this.#state.ready;
		this.#cancels = this.#cancels.slice(-20);
		this.#schedule(probe, waits ? 25 : soon ? probe.firstPeriodMs : probe.periodMs, run);
	}

	#wait(ms: number): Promise<void> {
		return new Promise((resolve) => {
			this.#options.clock.after(ms, resolve);
		});
	}

	#stopTimers(): void {
		for (const cancel of this.#cancels) cancel();
		this.#cancels = [];
	}
}
