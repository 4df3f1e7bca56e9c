// The Envoy of a pod that kubelet starts: it is waited for, watched and signalled, never started here. In: the process that has
// come for its start configuration. Out: for the pod's supervisor, a process like any other; its files are those of its container.

import {
	mkdirSync,
	readFileSync,
	readlinkSync,
	renameSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { countOomKills, oomKillOf } from "../../node/oom-kill.ts";
import type { PodPaths } from "../../node/plan/pod-paths.ts";
import type { PodSpec } from "../../node/plan/pod-spec.ts";
import type { PodProcessDeps, ProcessStart, ProxyProcess } from "../../node/pod-process.ts";
import { identifyProcess, type ProcessIdentity } from "../../node/process-table.ts";
import { raisePriority } from "../../node/raise-priority.ts";
import { adoptSurviving, type SurvivingProcess } from "../../node/surviving-process.ts";
import type { Cancel } from "../../runtime/clock.ts";
import { HeldReadiness } from "./held-readiness.ts";
import { ProbeStandIn } from "./probe-stand-in.ts";
import { proxyDirectory } from "./proxy-places.ts";

const lookMs = 1_000;

export class ContainerProcess implements ProxyProcess {
	readonly #pod: PodSpec;
	readonly #paths: PodPaths;
	readonly #deps: PodProcessDeps;
	readonly #standIn: ProbeStandIn;
	readonly #readiness: HeldReadiness;
	#process: SurvivingProcess | undefined;
	#waiting: { readonly bootstrap: object; readonly resolve: (start: ProcessStart) => void } | undefined;
	/** What the process that runs was given. */
	#handed: object | undefined;
	#oomKills = 0;
	#cancelLook: Cancel = () => {};

	constructor(pod: PodSpec, paths: PodPaths, deps: PodProcessDeps) {
		this.#pod = pod;
		this.#paths = paths;
		this.#deps = deps;
		this.#standIn = new ProbeStandIn(pod);
		this.#readiness = new HeldReadiness(pod, deps.clock);
		mkdirSync(paths.directory, { recursive: true, mode: 0o700 });
	}

	get identity(): ProcessIdentity | undefined {
		return this.#process?.identity;
	}

	/**
	 * What the process that asks is to start with: the next Envoy of the pod, or the last one that asked, whose answer was lost;
	 * undefined while none is awaited.
	 */
	bootstrapFor(pid: number): object | undefined {
		return this.#waiting?.bootstrap ?? (this.identity?.pid === pid ? this.#handed : undefined);
	}

	adopt(running: ProcessIdentity): void {
		this.#watch(running);
	}

	/** Resolves when kubelet has started it, however long that takes. */
	async start(heartbeatMs?: number): Promise<ProcessStart> {
		const bootstrap = this.#deps.bootstrapOf(this.#pod, heartbeatMs);
		const earlier = this.#earlier();
		if (earlier) {
			this.#watch(earlier);
			return { ok: true, identity: earlier };
		}
		writeFileSync(this.#paths.bootstrap, `${JSON.stringify(bootstrap, undefined, 1)}\n`, { mode: 0o600 });
		this.#standIn.open();
		this.#readiness.open();
		return new Promise((resolve) => {
			this.#waiting = { bootstrap, resolve };
			this.#lookAgain();
		});
	}

	/** One that an earlier agent has answered may become Envoy only now. */
	#lookAgain(): void {
		this.#cancelLook = this.#deps.clock.after(lookMs, () => {
			const earlier = this.#waiting && this.#earlier();
			if (earlier) this.taken(earlier.pid);
			else if (this.#waiting) this.#lookAgain();
		});
	}

	/** The process that was handed the start configuration, and becomes Envoy with it. */
	taken(pid: number): void {
		const identity = identifyProcess(pid);
		const waiting = this.#waiting;
		if (!identity || !waiting) return;
		this.#waiting = undefined;
		this.#cancelLook();
		this.#handed = waiting.bootstrap;
		this.#standIn.close();
		this.#readiness.handOver();
		this.#point(pid);
		this.#watch(identity);
		waiting.resolve({ ok: true, identity });
	}

	signal(signal: NodeJS.Signals): void {
		this.#process?.signal(signal);
	}

	release(): void {
		this.#waiting = undefined;
		this.#cancelLook();
		this.#standIn.close();
		this.#readiness.close();
		this.#process?.release();
	}

	forget(): void {
		this.#waiting = undefined;
		this.#cancelLook();
		this.#standIn.close();
		this.#readiness.close();
		this.#process = undefined;
	}

	/** Its log is the container's. */
	trimLog(): void {}

	#watch(identity: ProcessIdentity): void {
		this.#oomKills = countOomKills();
		raisePriority(identity.pid);
		this.#process = adoptSurviving(identity, () => this.#onExit(identity.pid), this.#deps.clock);
	}

	#onExit(pid: number): void {
		this.#process = undefined;
		const oomKill = oomKillOf(pid, this.#oomKills);
		if (oomKill === undefined) this.#deps.onExit("its process in the container ended");
		else this.#deps.onExit(oomKill, "outOfMemory");
	}

	/** The pod's sockets are found in the directory of the container that runs now. */
	#point(pid: number): void {
		const next = `${this.#paths.sockets}.new`;
		rmSync(next, { force: true });
		symlinkSync(`/proc/${pid}/root${proxyDirectory}`, next);
		renameSync(next, this.#paths.sockets);
	}

	/** One that an agent, killed before it could note it, has handed the start configuration to. */
	#earlier(): ProcessIdentity | undefined {
		try {
			const pid = Number(/^\/proc\/(\d+)\/root\//.exec(readlinkSync(this.#paths.sockets))?.[1]);
			const isHere = statSync(`/proc/${pid}/ns/net`).ino === statSync(this.#pod.netns).ino;
			const program = readFileSync(`/proc/${pid}/comm`, "latin1").trim();
			return isHere && program === "envoy" ? identifyProcess(pid) : undefined;
		} catch {
			return undefined;
		}
	}
}
