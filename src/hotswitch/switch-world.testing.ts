// For tests: a pod in virtual time, with a proxy that fails in every way, a kernel that keeps its table, and an agent that may be
// gone. In: a seed. Out: after each few milliseconds what a new connection would meet, and what everybody knows.

import { defaultHotSwitchPolicy, type HotSwitchPolicy } from "./hot-switch-policy.ts";
import { decodeKeptSwitch, encodeKeptSwitch } from "./kept-switch.ts";
import { closedPath, type PathState } from "./path-state.ts";
import { lastResortMs } from "./render-lease.ts";
import { step } from "./switch-machine.ts";
import { keptSwitch, newSwitch, type SwitchEvent, type SwitchState, type SwitchTimer } from "./switch-state.ts";

export const tickMs = 5;
const startupMs = 200;
const restartMs = 100;
const leaseReadMs = 25;

export type Happening = SwitchEvent extends infer Event
	? Event extends SwitchEvent
		? Omit<Event, "atMs">
		: never
	: never;

export const basePolicy: HotSwitchPolicy = {
	...defaultHotSwitchPolicy,
	flapWindowMs: 10_000,
	proveMaxMs: 4_000,
	permitsPlaintext: true,
};

export class SwitchWorld {
	nowMs = 0;
	policy: HotSwitchPolicy = basePolicy;
	/** What the agent has, or had when it was last there. */
	knownPolicy: HotSwitchPolicy = basePolicy;
	spareUp = false;
	proxy: { startedMs: number; isHung: boolean; isUnready: boolean } | undefined;
	/** Ready and giving signs of life without a break since then. */
	goodSinceMs: number | undefined;
	/** The same, but for silences that are too short for anybody to see. */
	seenGoodSinceMs: number | undefined;
	kernel: PathState = closedPath;
	heardMs = Number.NEGATIVE_INFINITY;
	isAgentUp = true;
	agentSinceMs = 0;
	state: SwitchState = newSwitch;
	kills = 0;
	readonly timers = new Map<SwitchTimer, number>();
	#disk = "";
	/** Of the agent's own monotonic clock, which begins anew with each agent. */
	#clockBeganMs = 0;
	#startDueMs: number | undefined = 0;
	#exit: string | undefined;
	#seed: number;

	constructor(seed: number) {
		this.#seed = seed;
	}

	random(below: number): number {
		this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
		return Math.floor((this.#seed / 2 ** 32) * below);
	}

	/** Once in about so many milliseconds. */
	rarely(everyMs: number): boolean {
		return this.random(everyMs) < tickMs;
	}

	isReady(): boolean {
		const { proxy } = this;
		return proxy !== undefined && !proxy.isHung && !proxy.isUnready && this.nowMs - proxy.startedMs >= startupMs;
	}

	/** Where the kernel sends a new outbound connection. */
	route(): "sidecar" | "spare" | "direct" | "late" | "refused" {
		const silentMs = this.nowMs - this.heardMs;
		if (this.kernel.sidecar && silentMs < this.policy.leaseMs) return "sidecar";
		if (this.kernel.spare) return "spare";
		const mayBeLate = this.kernel.sidecar && silentMs < lastResortMs(this.policy);
		if (this.kernel.direct && !(this.kernel.patient && mayBeLate)) return "direct";
		return mayBeLate ? "late" : "refused";
	}

	tick(): void {
		this.nowMs += tickMs;
		this.#runProxy();
		if (this.isAgentUp) this.#runAgent();
	}

	crash(because = "ended by SIGKILL"): void {
		if (!this.proxy) return;
		this.proxy = undefined;
		this.#exit = because;
	}

	killAgent(): void {
		this.isAgentUp = false;
		this.timers.clear();
	}

	/** In order, and with its spare. */
	stopAgent(): void {
		if (!this.isAgentUp) return;
		this.happens({ type: "agentLeaves" });
		this.spareUp = false;
		this.happens({ type: "spareDown", because: "it is stopped" });
		this.killAgent();
	}

	/** It knows what the kernel and the disk have, and whether the process runs; the control plane's word it has kept. */
	startAgent(): void {
		if (this.isAgentUp) return;
		this.isAgentUp = true;
		this.agentSinceMs = this.nowMs;
		this.#clockBeganMs = this.nowMs - this.random(1_000);
		this.state = newSwitch;
		this.#exit = undefined;
		const clock = { monotonicMs: this.#agentMs(), wallMs: this.nowMs };
		const kept = decodeKeptSwitch(this.#disk, clock);
		const isRunning = this.proxy !== undefined;
		if (!isRunning) this.#startDueMs = this.nowMs;
		this.happens({ type: "adopted", isRunning, path: this.kernel, ...(kept ? { kept } : {}) });
		this.happens(this.spareUp ? { type: "spareUp" } : { type: "spareDown", because: "it was gone" });
		if (this.isReady()) this.happens({ type: "ready" });
		else if (isRunning) this.happens({ type: "unready", because: "it does not answer" });
	}

	follow(policy: HotSwitchPolicy): void {
		this.policy = policy;
		if (!this.isAgentUp) return;
		this.knownPolicy = policy;
		this.happens({ type: "policyChanged" });
	}

	happens(event: Happening): void {
		if (!this.isAgentUp) return;
		const atMs = this.#agentMs();
		const { state, actions } = step(this.knownPolicy, this.state, { ...event, atMs } as SwitchEvent);
		this.state = state;
		for (const action of actions) {
			if (action.type === "setPath") this.kernel = action.path;
			if (action.type === "setTimer") this.timers.set(action.timer, atMs + action.afterMs);
			if (action.type === "clearTimer") this.timers.delete(action.timer);
			if (action.type === "killProcess") {
				this.kills++;
				this.crash("killed for a hang");
			}
		}
		this.#disk = encodeKeptSwitch(keptSwitch(state), { monotonicMs: atMs, wallMs: this.nowMs });
	}

	#agentMs(): number {
		return this.nowMs - this.#clockBeganMs;
	}

	#runProxy(): void {
		const { proxy } = this;
		const isAlive = proxy && !proxy.isHung && this.nowMs - proxy.startedMs >= startupMs;
		if (isAlive) this.heardMs = this.nowMs;
		if (!this.isReady()) this.goodSinceMs = undefined;
		else this.goodSinceMs ??= this.nowMs;
		const isSilent = this.nowMs - this.heardMs >= this.policy.leaseMs + leaseReadMs;
		if (!proxy || proxy.isUnready || isSilent) this.seenGoodSinceMs = undefined;
		else if (this.isReady()) this.seenGoodSinceMs ??= this.nowMs;
	}

	#runAgent(): void {
		if (this.#exit !== undefined) {
			const because = this.#exit;
			this.#exit = undefined;
			this.#startDueMs = this.nowMs + restartMs;
			this.happens({ type: "processExited", because });
		}
		if (this.#startDueMs !== undefined && this.nowMs >= this.#startDueMs) {
			this.#startDueMs = undefined;
			this.proxy = { startedMs: this.nowMs, isHung: false, isUnready: false };
			this.happens({ type: "processStarted" });
		}
		for (const [timer, deadline] of [...this.timers])
			if (deadline <= this.#agentMs() && this.timers.delete(timer)) this.happens({ type: "timerFired", timer });
		const { lease, ready, running } = this.state;
		if (running && this.isReady() && !ready) this.happens({ type: "ready" });
		if (running && ready && this.proxy?.isUnready) this.happens({ type: "unready", because: "readiness says no" });
		if (this.nowMs % leaseReadMs !== 0 || !this.state.running) return;
		const isHeld = this.nowMs - this.heardMs < this.knownPolicy.leaseMs;
		if (isHeld && lease !== "held") this.happens({ type: "leaseSeen" });
		if (!isHeld && (lease === "held" || (lease === "unknown" && this.state.ready))) this.happens({ type: "leaseLost" });
	}
}
