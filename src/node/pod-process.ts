// The process of one pod's Envoy: started, adopted from an earlier agent, signalled, and its end told. In: orders of the
// supervisor. Out: which process serves the pod, noted on disk, and how often one ended without being told to.

import { countOomKills, oomKillOf } from "./oom-kill.ts";
import type { PodPaths } from "./plan/pod-paths.ts";
import type { PodSpec } from "./plan/pod-spec.ts";
import type { PodSupervisorDeps } from "./pod-supervisor-deps.ts";
import type { ProcessIdentity } from "./process-table.ts";
import { startEnvoy } from "./start-envoy.ts";
import { adoptSurviving, boundLog, type SurvivingProcess } from "./surviving-process.ts";

export interface PodProcessDeps
	extends Pick<PodSupervisorDeps, "bootstrapOf" | "clock" | "envoy" | "maxLogBytes" | "onProcess"> {
	/** At once, before its end is noted. */
	readonly onExit: (because: string, cause?: "outOfMemory") => void;
}

export type ProcessStart =
	| { readonly ok: true; readonly identity: ProcessIdentity }
	| { readonly ok: false; readonly because: string };

/** How a pod's Envoy comes to run, and ends. */
export interface ProxyProcess {
	readonly identity: ProcessIdentity | undefined;
	adopt(running: ProcessIdentity): void;
	/** Not noted yet when it resolves. `heartbeatMs`: at most between two signs of life; absent: none. */
	start(heartbeatMs?: number): Promise<ProcessStart>;
	signal(signal: NodeJS.Signals): void;
	/** The process goes on. */
	release(): void;
	/** It has been told to end, and has ended. */
	forget(): void;
	/** Keeps the log within its bound; called from time to time. */
	trimLog(): void;
}

export class PodProcess implements ProxyProcess {
	readonly #pod: PodSpec;
	readonly #paths: PodPaths;
	readonly #deps: PodProcessDeps;
	#process: SurvivingProcess | undefined;
	#restarts = 0;
	#oomKills = 0;

	constructor(pod: PodSpec, paths: PodPaths, deps: PodProcessDeps) {
		this.#pod = pod;
		this.#paths = paths;
		this.#deps = deps;
	}

	get identity(): ProcessIdentity | undefined {
		return this.#process?.identity;
	}

	/** How often Envoy ended without being told to. */
	get restarts(): number {
		return this.#restarts;
	}

	adopt(running: ProcessIdentity): void {
		this.#oomKills = countOomKills();
		this.#process = adoptSurviving(running, (because) => this.#onExit(because), this.#deps.clock);
	}

	/** Not noted yet when it resolves. `heartbeatMs`: at most between two signs of life; absent: none. */
	async start(heartbeatMs?: number): Promise<ProcessStart> {
		this.trimLog();
		this.#oomKills = countOomKills();
		const launched = await startEnvoy({
			pod: this.#pod,
			paths: this.#paths,
			bootstrap: this.#deps.bootstrapOf(this.#pod, heartbeatMs),
			envoy: this.#deps.envoy,
			onExit: (because) => this.#onExit(because),
		});
		if (!launched.ok) return launched;
		this.#process = launched.process;
		return { ok: true, identity: launched.process.identity };
	}

	signal(signal: NodeJS.Signals): void {
		this.#process?.signal(signal);
	}

	/** The process goes on. */
	release(): void {
		this.#process?.release();
	}

	/** It has been told to end, and has ended. */
	forget(): void {
		this.#process = undefined;
	}

	/** Keeps the log within its bound; called from time to time. */
	trimLog(): void {
		boundLog(this.#paths.log, this.#deps.maxLogBytes ?? 10 * 1024 * 1024);
	}

	#onExit(because: string): void {
		const pid = this.#process?.identity.pid;
		this.#process = undefined;
		this.#restarts++;
		const oomKill = pid === undefined ? undefined : oomKillOf(pid, this.#oomKills);
		if (oomKill === undefined) this.#deps.onExit(because);
		else this.#deps.onExit(oomKill, "outOfMemory");
	}
}
