// The Envoys of one pod: the one that has it, and for a while another beside it that takes over or was taken over from. In: orders
// of the supervisor. Out: one process at a time that serves the pod, whichever of the two that is.

import { rm } from "node:fs/promises";
import { type EnvoyAdmin, envoyAdmin } from "./envoy-admin.ts";
import type { HandoverConfig, HandoverOutcome, HandoverState } from "./plan/handover-machine.ts";
import { otherSlot, type PodPaths, type ProxySlot, podPaths } from "./plan/pod-paths.ts";
import type { PodSpec } from "./plan/pod-spec.ts";
import { PodProcess, type PodProcessDeps, type ProcessStart, type ProxyProcess } from "./pod-process.ts";
import type { PodSupervisorDeps } from "./pod-supervisor-deps.ts";
import type { ProcessIdentity } from "./process-table.ts";
import { ProxyHandover } from "./proxy-handover.ts";
import { whyOutdated } from "./why-outdated.ts";

type BesideRole = "successor" | "predecessor";

/** What the next agent must know of a pod's processes. */
export interface RunningProxies {
	readonly process?: ProcessIdentity;
	/** Default 0. */
	readonly slot?: ProxySlot;
	readonly beside?: { readonly process: ProcessIdentity; readonly role: BesideRole };
}

export interface PodProcessesDeps extends PodProcessDeps, Pick<PodSupervisorDeps, "state" | "log" | "processOf"> {
	/** As logs name the pod. */
	readonly owner: string;
	/** At most between two signs of life of a process that is started now; absent: none. */
	readonly heartbeatMs: () => number | undefined;
	/** Another process has the pod from now on; the one before is kept as it is until this resolves. */
	readonly onReplaced: (pid: number) => Promise<void>;
	readonly handover?: Partial<HandoverConfig>;
}

export class PodProcesses {
	readonly #pod: PodSpec;
	readonly #deps: PodProcessesDeps;
	readonly #paths: readonly [PodPaths, PodPaths];
	readonly #admins: readonly [EnvoyAdmin, EnvoyAdmin];
	readonly #processes: readonly [ProxyProcess, ProxyProcess];
	readonly #handover: ProxyHandover;
	#slot: ProxySlot = 0;
	#restarts = 0;

	constructor(pod: PodSpec, deps: PodProcessesDeps) {
		this.#pod = pod;
		this.#deps = deps;
		this.#paths = [podPaths(deps.state, pod.uid, 0), podPaths(deps.state, pod.uid, 1)];
		this.#admins = [envoyAdmin(this.#paths[0].adminSocket), envoyAdmin(this.#paths[1].adminSocket)];
		const processIn = (slot: ProxySlot): ProxyProcess => {
			const ofSlot: PodProcessDeps = {
				...deps,
				bootstrapOf: (one, heartbeatMs) => deps.bootstrapOf(one, heartbeatMs, slot),
				onExit: (because, ...how) => this.#onExit(slot, () => deps.onExit(because, ...how), because),
			};
			return deps.processOf?.(pod, this.#paths[slot], ofSlot) ?? new PodProcess(pod, this.#paths[slot], ofSlot);
		};
		this.#processes = [processIn(0), processIn(1)];
		const self = this;
		this.#handover = new ProxyHandover({
			clock: deps.clock,
			log: deps.log,
			owner: deps.owner,
			pod,
			...(deps.handover ? { config: deps.handover } : {}),
			beside: {
				start: async () => {
					const started = await this.#other.start(deps.heartbeatMs());
					if (started.ok) await deps.onProcess(this.identity);
					return started;
				},
				promote: () => this.#promote(),
				get admin() {
					return self.#admins[otherSlot(self.#slot)];
				},
				get pressureFile() {
					return self.#paths[otherSlot(self.#slot)].pressureFile;
				},
				signal: (signal) => this.#other.signal(signal),
				changed: () => this.#noteBeside(),
			},
		});
	}

	get paths(): PodPaths {
		return this.#paths[this.#slot];
	}

	get admin(): EnvoyAdmin {
		return this.#admins[this.#slot];
	}

	get identity(): ProcessIdentity | undefined {
		return this.own.identity;
	}

	/** How often the pod's Envoy ended without being told to. */
	get restarts(): number {
		return this.#restarts;
	}

	get handover(): HandoverState {
		return this.#handover.state;
	}

	get running(): RunningProxies {
		const beside = this.#other.identity;
		return {
			...(this.identity ? { process: this.identity } : {}),
			...(this.#slot === 0 ? {} : { slot: this.#slot }),
			...(beside ? { beside: { process: beside, role: this.#besideRole } } : {}),
		};
	}

	/** Why the pod's Envoy is not as one that is started now would be; undefined when it is. */
	whyOutdated(): string | undefined {
		if (!this.identity) return undefined;
		const { bootstrapOf, heartbeatMs, envoy } = this.#deps;
		const bootstrap = bootstrapOf(this.#pod, heartbeatMs(), this.#slot);
		return whyOutdated({ pid: this.identity.pid, envoy, bootstrapFile: this.paths.bootstrap, bootstrap });
	}

	/** What an earlier agent has left. */
	adopt({ process, slot = 0, beside }: RunningProxies): void {
		this.#slot = slot;
		if (process) this.own.adopt(process);
		if (!beside) return;
		this.#other.adopt(beside.process);
		this.#handover.adopt(beside.role);
	}

	start(heartbeatMs?: number): Promise<ProcessStart> {
		return this.own.start(heartbeatMs);
	}

	/**
	 * Starts another Envoy beside the pod's own, which hands over to it; undefined while that is under way already, and where
	 * Envoys are not started here.
	 */
	replace(because: string): Promise<HandoverOutcome | undefined> | undefined {
		if (this.#pod.container) return undefined;
		return this.#handover.request(because) ? this.#handover.decided() : undefined;
	}

	/** The pod leaves: no other Envoy is needed any more. */
	cancelHandover(): void {
		this.#handover.happens("cancelled");
	}

	signal(signal: NodeJS.Signals): void {
		this.own.signal(signal);
	}

	/** The processes go on. */
	release(): void {
		this.#handover.close();
		for (const process of this.#processes) process.release();
	}

	/** The pod's own has been told to end, and has ended; what is left beside it ends as well. */
	forget(): void {
		this.#handover.close();
		this.#other.signal("SIGKILL");
		for (const process of this.#processes) process.forget();
	}

	trimLog(): void {
		this.own.trimLog();
	}

	/** The one that has the pod. */
	get own(): ProxyProcess {
		return this.#processes[this.#slot];
	}

	get #other(): ProxyProcess {
		return this.#processes[otherSlot(this.#slot)];
	}

	get #besideRole(): BesideRole {
		const { phase } = this.#handover.state;
		return phase === "draining" || phase === "ending" ? "predecessor" : "successor";
	}

	#onExit(slot: ProxySlot, tell: () => void, because: string): void {
		if (slot !== this.#slot) {
			if (this.#besideRole === "predecessor") this.#handover.happens("predecessorExited");
			else this.#handover.successorExited(because);
			return;
		}
		this.#restarts++;
		const hasSuccessor = this.#handover.hasSuccessor;
		if (hasSuccessor || this.#besideRole === "successor") this.#handover.happens("predecessorExited");
		if (!hasSuccessor) tell();
	}

	async #promote(): Promise<void> {
		this.#slot = otherSlot(this.#slot);
		if (this.identity) await this.#deps.onReplaced(this.identity.pid);
	}

	#noteBeside(): void {
		void this.#deps.onProcess(this.identity);
		if (this.#handover.state.phase === "idle" && !this.#other.identity)
			void rm(this.#paths[otherSlot(this.#slot)].bootstrap, { force: true });
	}
}
