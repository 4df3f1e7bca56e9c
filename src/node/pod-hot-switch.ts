// One pod's hot-switch, kept as the machine in hotswitch/switch-machine.ts decides. In: word of the pod's proxy, and the lease as
// the kernel has it. Out: the pod's path set in the kernel, a hung proxy killed, and who serves since when and why.

import { isDeepStrictEqual } from "node:util";
import type { HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import { decodeKeptSwitch, encodeKeptSwitch } from "../hotswitch/kept-switch.ts";
import { closedPath, type PathState } from "../hotswitch/path-state.ts";
import { step } from "../hotswitch/switch-machine.ts";
import type { SwitchRecord } from "../hotswitch/switch-record.ts";
import {
	type Bypass,
	type KeptSwitch,
	keptSwitch,
	newSwitch,
	type SwitchAction,
	type SwitchEvent,
	type SwitchState,
	type SwitchTimer,
} from "../hotswitch/switch-state.ts";
import type { Opened } from "../kernel/host-network.ts";
import type { PodPath } from "../kernel/pod-path.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { NamedTimers } from "../runtime/named-timers.ts";
import { isStarved, type ProcessorLook, wouldRun } from "./is-starved.ts";
import { readKeptFile, writeKeptFile } from "./kept-file.ts";

export interface PodHotSwitchDeps {
	readonly clock: Clock;
	readonly log: Log;
	readonly policy: HotSwitchPolicy;
	/** What control planes have said of this pod. */
	readonly told?: HotSwitchPolicy | undefined;
	/** Where it is noted what a later agent must know. */
	readonly keptFile: string;
	/** What is in force has changed. */
	readonly onPolicy?: () => void;
	readonly openPath: () => Opened<PodPath>;
	/** By SIGKILL. */
	readonly killProcess: () => void;
	/** Absent: one that is silent for long enough always hangs. */
	readonly lookAtWorkers?: () => ProcessorLook | undefined;
	/** After the kernel was told. */
	readonly onSwitched?: (change: SwitchChange) => void;
}

/** Connections go another way since now. */
export type SwitchChange = Pick<SwitchRecord, "from" | "to" | "cause" | "because" | "by">;

/** A switch from one step to another, and how often it was made. */
export interface SwitchCount {
	readonly from: string;
	readonly to: string;
	readonly because: string;
	readonly count: number;
}

/** How long a sidecar that waits for a processor keeps its connections before it is looked at again. */
const vouchMs = 250;

/** Two readings of two clocks differ by less. */
const clockSetMs = 100;

type Happening = SwitchEvent extends infer Event ? (Event extends SwitchEvent ? Omit<Event, "atMs"> : never) : never;

export class PodHotSwitch {
	/** As logs name the pod. */
	readonly pod: string;
	readonly #deps: PodHotSwitchDeps;
	readonly #timers: NamedTimers<SwitchTimer>;
	readonly #counts = new Map<string, SwitchCount>();
	/** In force, with the lease that runs. */
	#policy: HotSwitchPolicy;
	#told: HotSwitchPolicy;
	#state: SwitchState = newSwitch;
	/** Absent until the pod's table is in the kernel. */
	#path: PodPath | undefined;
	#kept: KeptSwitch | undefined;
	/** Until a process is started or taken over, what an earlier agent kept is still to be read. */
	#mayKeep = false;
	/** When the lease was over, or the last time that it seemed to hang. */
	#silentLook: ProcessorLook | undefined;
	/** When it was vouched for last. */
	#vouchedLook: ProcessorLook | undefined;
	#vouched = 0;
	#wallAheadMs = Number.NEGATIVE_INFINITY;
	#closed = false;

	constructor(pod: string, deps: PodHotSwitchDeps) {
		this.pod = pod;
		this.#deps = deps;
		this.#timers = new NamedTimers(deps.clock, (timer) => this.#onTimer(timer));
		this.#told = deps.told ?? deps.policy;
		const { leaseMs, heartbeatMs } = deps.policy;
		this.#policy = withLease(this.#told, { leaseMs, heartbeatMs });
	}

	get state(): SwitchState {
		return this.#state;
	}

	get policy(): HotSwitchPolicy {
		return this.#policy;
	}

	/** As it was said last: of its lease and heartbeat the next process hears. */
	get told(): HotSwitchPolicy {
		return this.#told;
	}

	/** What a table that is made now must begin with. */
	get path(): PathState {
		return this.#closed ? closedPath : this.#state.path;
	}

	/** Milliseconds since the epoch. */
	get sinceMs(): number {
		return this.#toWallMs(this.#state.sinceMs);
	}

	/** Its times in milliseconds since the epoch. */
	get bypass(): Bypass | undefined {
		const { bypass } = this.#state;
		if (!bypass) return undefined;
		const { by, why, atMs, untilMs } = bypass;
		const until = untilMs === undefined ? {} : { untilMs: this.#toWallMs(untilMs) };
		return { by, why, atMs: this.#toWallMs(atMs), ...until };
	}

	get bypassUntilMs(): number | undefined {
		return this.bypass?.untilMs;
	}

	get switches(): readonly SwitchCount[] {
		return [...this.#counts.values()];
	}

	/** How often it kept its connections though silent, because it only waited for a processor. */
	get vouched(): number {
		return this.#vouched;
	}

	happens(event: Happening): readonly SwitchAction[] {
		if (this.#closed) return [];
		const atMs = this.#deps.clock.monotonicMs();
		const { state, actions } = step(this.#policy, this.#state, { ...event, atMs } as SwitchEvent);
		this.#state = state;
		const by = "by" in event ? event.by : "keepmesh";
		for (const action of actions) this.#perform(action, by);
		this.#mayKeep ||= event.type === "adopted" || event.type === "processStarted";
		if (this.#mayKeep) this.#keep();
		return actions;
	}

	/** Lease and heartbeat stay: those that run are in the Envoy's bootstrap and in the kernel's table. */
	follow(told: HotSwitchPolicy): void {
		this.#told = told;
		const policy = withLease(told, this.#policy);
		if (JSON.stringify(policy) === JSON.stringify(this.#policy)) return;
		this.#policy = policy;
		this.#deps.onPolicy?.();
		this.happens({ type: "policyChanged" });
	}

	/** For a process that starts now: its lease and heartbeat are what was said last. */
	takeLease(): HotSwitchPolicy {
		this.#policy = withLease(this.#told, this.#told);
		return this.#policy;
	}

	/**
	 * Takes over what an earlier agent left; `lease`: of the table that it made, which is looked at where it is. True where
	 * that table stands.
	 */
	adopt(isRunning: boolean, lease: { readonly leaseMs: number } | undefined): boolean {
		if (lease && isRunning) this.#policy = withLease(this.#told, { ...this.#policy, leaseMs: lease.leaseMs });
		const path = lease && this.#open() ? this.#path?.read() : undefined;
		if (!isRunning && !path) return false;
		const { clock, keptFile } = this.#deps;
		const now = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
		const kept = decodeKeptSwitch(readKeptFile(keptFile) ?? "", now);
		this.happens({ type: "adopted", isRunning, ...(path ? { path } : {}), ...(kept ? { kept } : {}) });
		return path !== undefined;
	}

	/** Keeps connections off the sidecar; says why when that cannot be. */
	requestBypass(
		by: string,
		why: string,
		forMs?: number,
	): { readonly ok: true } | { readonly ok: false; because: string } {
		const time = forMs === undefined ? {} : { forMs };
		const refusal = this.happens({ type: "bypassRequested", by, why, ...time }).find(
			(action) => action.type === "refuseBypass",
		);
		if (refusal) return { ok: false, because: refusal.because };
		return this.#closed ? { ok: false, because: "the pod is being removed" } : { ok: true };
	}

	restore(by: string): void {
		this.happens({ type: "restoreRequested", by });
	}

	/** The table was made, or made anew: from now on the path is set in it. */
	tableApplied(): void {
		if (this.#closed || !this.#open()) return;
		// It may have changed while the table was being made.
		this.#set(this.#state.path);
	}

	/** Looks whether the proxy has shown a sign of life; called every few milliseconds. */
	readLease(): void {
		if (this.#closed || !this.#path || !this.#state.running) return;
		const isHeld = this.isHeard();
		if (isHeld && this.#state.lease !== "held")
			this.happens({ type: "leaseSeen", starved: isStarved(this.#silentLook, this.#deps.lookAtWorkers?.()) });
		// One that was taken over and has not been heard since is as silent as one that was heard before.
		const { lease, ready } = this.#state;
		if (!isHeld && (lease === "held" || (lease === "unknown" && ready))) {
			this.#silentLook = this.#deps.lookAtWorkers?.();
			if (lease === "held" && this.#vouchFor(this.#silentLook)) return;
			this.happens({ type: "leaseLost" });
		}
	}

	/** The lease runs; true also where nobody can tell. */
	isHeard(): boolean {
		return !this.#path || this.#path.leaseRemainingMs() !== undefined;
	}

	/** For an agent that ends, and may take the spare with it: from now on nobody can tell a late sidecar from one that hangs. */
	leave(): void {
		this.happens({ type: "agentLeaves" });
	}

	/** Leaves the path as it is. */
	close(): void {
		this.#closed = true;
		this.#timers.clearAll();
		this.#path?.close();
		this.#path = undefined;
	}

	#open(): boolean {
		if (this.#path) return true;
		const opened = this.#deps.openPath();
		if (opened.ok) this.#path = opened.value;
		else this.#deps.log.error({ pod: this.pod, because: opened.message }, "the pod's path cannot be set");
		return opened.ok;
	}

	#keep(): void {
		const kept = keptSwitch(this.#state);
		if (isDeepStrictEqual(kept, this.#kept)) return;
		this.#kept = kept;
		const { clock, keptFile, log } = this.#deps;
		const now = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
		const because = writeKeptFile(keptFile, encodeKeptSwitch(kept, now));
		if (because) log.warn({ pod: this.pod, because }, "what a later agent must know could not be kept");
	}

	#perform(action: SwitchAction, by: string): void {
		switch (action.type) {
			case "setPath":
				this.#set(action.path);
				break;
			case "killProcess":
				this.#deps.killProcess();
				break;
			case "forgetFlows":
				this.#path?.forgetFlows();
				break;
			case "setTimer":
				this.#timers.set(action.timer, action.afterMs);
				break;
			case "clearTimer":
				this.#timers.clear(action.timer);
				break;
			case "refuseBypass":
				break;
			case "report": {
				const { from, to, cause, because } = action;
				const key = `${from} ${to} ${cause}`;
				const count = (this.#counts.get(key)?.count ?? 0) + 1;
				this.#counts.set(key, { from, to, because: cause, count });
				const level = to === "sidecar" ? "info" : "warn";
				this.#deps.log[level]({ pod: this.pod, from, to, because }, "connections go another way");
				this.#deps.onSwitched?.({ from, to, cause, because, by });
				break;
			}
			default:
				action satisfies never;
		}
	}

	#onTimer(timer: SwitchTimer): void {
		// An agent that was itself held up must not take its own pause for the proxy's.
		if (timer === "hang") this.readLease();
		if (timer === "hang" && this.#onlyWaits()) this.happens({ type: "starved" });
		this.happens({ type: "timerFired", timer });
	}

	/**
	 * Silent, but a worker would run if it could: it keeps its connections, for on a machine that has too much to do all others
	 * would be as late. Goes on for as long as it gets less than its share.
	 */
	#vouchFor(look: ProcessorLook | undefined): boolean {
		const before = this.#vouchedLook;
		const isStill = before && look && look.atMs - before.atMs < 2 * vouchMs;
		const waits = isStill ? isStarved(before, look) : wouldRun(look);
		this.#vouchedLook = waits ? look : undefined;
		if (!waits || this.#path?.vouch(vouchMs).ok !== true) return false;
		this.#vouched++;
		return true;
	}

	/** It has its work to do, and others have had the processor since the last look. */
	#onlyWaits(): boolean {
		const before = this.#silentLook;
		this.#silentLook = this.#deps.lookAtWorkers?.();
		if (!isStarved(before, this.#silentLook)) return false;
		this.#deps.log.warn({ pod: this.pod }, "the sidecar gets no processor: this machine has too much to do");
		return true;
	}

	#set(path: PathState): void {
		const set = this.#path?.set(path);
		if (set && !set.ok) this.#deps.log.warn({ pod: this.pod, because: set.message }, "the pod's path was not set");
	}

	/** One moment is told the same each time, unless the wall clock was set. */
	#toWallMs(monotonicMs: number): number {
		const aheadMs = this.#deps.clock.wallMs() - this.#deps.clock.monotonicMs();
		if (Math.abs(aheadMs - this.#wallAheadMs) > clockSetMs) this.#wallAheadMs = aheadMs;
		return Math.round(monotonicMs + this.#wallAheadMs);
	}
}

/** Those that run are in the Envoy's start configuration and in the kernel's table. */
function withLease(
	told: HotSwitchPolicy,
	{ leaseMs, heartbeatMs }: Pick<HotSwitchPolicy, "leaseMs" | "heartbeatMs">,
): HotSwitchPolicy {
	return { ...told, leaseMs, heartbeatMs, hangMs: Math.max(told.hangMs, leaseMs) };
}
