// The pods of one machine. In: pods to serve, asked for by the API; what a killed agent left behind. Out: a supervised Envoy
// and redirect for each. Agent restarts are invisible to pods: a running Envoy is adopted, never started anew.

import { existsSync } from "node:fs";
import type { HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import type { ServingStep } from "../hotswitch/serving-step.ts";
import type { Bypass } from "../hotswitch/switch-state.ts";
import type { Cancel, Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { HandoverState } from "./plan/handover-machine.ts";
import { maxSocketPathBytes, otherSlot, type ProxySlot, podPaths } from "./plan/pod-paths.ts";
import type { PodSpec, RequestProblem } from "./plan/pod-spec.ts";
import type { ProxyMachineConfig, ProxyState } from "./plan/proxy-machine.ts";
import type { SwitchChange } from "./pod-hot-switch.ts";
import type { RunningProxies } from "./pod-processes.ts";
import { type PodRecord, podStore } from "./pod-store.ts";
import { PodSupervisor } from "./pod-supervisor.ts";
import type { PodSupervisorDeps } from "./pod-supervisor-deps.ts";
import { findProcesses, isRunning, type ProcessIdentity } from "./process-table.ts";

const leaseReadIntervalMs = 25;

export interface NodeAgentOptions {
	readonly state: string;
	readonly envoy: string;
	/** With at most `heartbeatMs` between two signs of life; absent: none. */
	readonly bootstrapOf: (pod: PodSpec, heartbeatMs?: number, slot?: ProxySlot) => object;
	readonly dns?: { readonly address: string; readonly port: number };
	readonly machine?: Partial<ProxyMachineConfig>;
	/** For every sidecar. Absent: one that fails is started again, and nothing else is done. */
	readonly hotSwitch?: HotSwitchPolicy;
	/** What control planes have said of a pod, if they have. */
	readonly policyOf?: (pod: PodSpec) => HotSwitchPolicy | undefined;
	/** Called for a pod that is added or was found at the start, and when it has gone. */
	readonly onPodAdded?: (pod: PodSpec) => void;
	readonly onPodRemoved?: (pod: PodSpec) => void;
	/** A pod's connections go another way since now. */
	readonly onSwitched?: (pod: PodSpec, change: SwitchChange) => void;
	/** For Envoys that somebody else starts. Default: the agent does. */
	readonly processOf?: PodSupervisorDeps["processOf"];
}

export interface PodStatus {
	readonly uid: string;
	readonly name: string;
	readonly namespace: string;
	readonly ips: readonly string[];
	readonly phase: ProxyState["phase"];
	readonly ready: boolean;
	readonly because?: string;
	readonly pid?: number;
	readonly restarts: number;
	/** Where its connections go; absent for what has no hot-switch. */
	readonly servingStep?: ServingStep;
	/** RFC 3339. */
	readonly servingSince?: string;
	readonly servingBecause?: string;
	/** The node's spare Envoy could take its connections now. */
	readonly spareReady?: boolean;
	readonly bypass?: { readonly by: string; readonly why: string; readonly since: string; readonly until?: string };
	readonly connections?: { readonly inbound: number; readonly outbound: number };
	/** Another Envoy takes over, or the last one that did. */
	readonly handover?: HandoverState;
	readonly interceptionMode: string;
	/** Something is wrong with it that costs no connection. */
	readonly remark?: string;
	readonly warnings: readonly string[];
	readonly adminSocket: string;
	readonly log: string;
}

export type AddOutcome =
	| { readonly ok: true; readonly added: boolean; readonly supervisor: PodSupervisor }
	| { readonly ok: false; readonly because: "differs" | "invalid"; readonly problems: readonly RequestProblem[] };

export class NodeAgent {
	readonly #options: NodeAgentOptions;
	readonly #clock: Clock;
	readonly #log: Log;
	readonly #store;
	readonly #pods = new Map<string, PodSupervisor>();
	#closed = false;
	#cancelTrim: Cancel = () => {};
	#cancelLeases: Cancel = () => {};

	constructor(options: NodeAgentOptions, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
		this.#options = options;
		this.#clock = clock;
		this.#log = log;
		this.#store = podStore(options.state);
	}

	/** Takes over what runs, starts again what should run, ends what nobody asked for. */
	async start(): Promise<void> {
		const { records, problems } = await this.#store.load();
		for (const problem of problems) this.#log.error({ problem }, "a pod's record is unreadable");
		for (const record of records) this.#restore(record);
		this.#trimLogs();
		if (this.#options.hotSwitch) this.#readLeases();
	}

	/** Before anything ends that pods may need while there is no agent. */
	leave(): void {
		for (const { hotSwitch } of this.#pods.values()) hotSwitch?.leave();
	}

	/** Envoys and redirects stay as they are. */
	close(): void {
		this.#closed = true;
		this.#cancelTrim();
		this.#cancelLeases();
		for (const supervisor of this.#pods.values()) supervisor.release();
	}

	supervisors(): readonly PodSupervisor[] {
		return [...this.#pods.values()];
	}

	pods(): readonly PodStatus[] {
		return [...this.#pods.values()].map(statusOf);
	}

	supervisorOf(uid: string): PodSupervisor | undefined {
		return this.#pods.get(uid);
	}

	/** Idempotent: a pod that is known and equal is left alone. */
	async add(pod: PodSpec): Promise<AddOutcome> {
		const leaving = this.#pods.get(pod.uid);
		if (leaving && isLeaving(leaving.state)) await leaving.finished;
		const known = this.#pods.get(pod.uid);
		if (known && known.state.phase !== "failed") {
			if (JSON.stringify(known.pod) === JSON.stringify(pod)) return { ok: true, added: false, supervisor: known };
			const hint = `DELETE /v1/pods/${pod.uid} first, or use another uid`;
			return {
				ok: false,
				because: "differs",
				problems: [{ path: "uid", message: "is served already, with other content", hint }],
			};
		}
		const invalid = this.#check(pod);
		if (invalid.length > 0) return { ok: false, because: "invalid", problems: invalid };
		known?.release();
		const supervisor = this.#supervise(pod);
		await this.#store.save({ pod, stopping: false });
		this.#options.onPodAdded?.(pod);
		supervisor.open();
		return { ok: true, added: true, supervisor };
	}

	/** Resolves when Envoy has ended and the redirect is gone; at once when there is no such pod. */
	async remove(uid: string, graceMs: number): Promise<{ readonly existed: boolean }> {
		const supervisor = this.#pods.get(uid);
		if (!supervisor) return { existed: false };
		await this.#store.save({ pod: supervisor.pod, ...supervisor.proxies.running, stopping: true });
		supervisor.stop(graceMs);
		await supervisor.finished;
		return { existed: true };
	}

	async removeAll(graceMs: number): Promise<void> {
		await Promise.all([...this.#pods.keys()].map((uid) => this.remove(uid, graceMs)));
	}

	#restore(record: PodRecord): void {
		const { pod } = record;
		const supervisor = this.#supervise(pod);
		const running = this.#stillRunning(record);
		const { process } = running;
		this.#log.info(
			{ pod: supervisor.plan.owner, pid: process?.pid },
			process ? "Envoy adopted" : "Envoy was not running",
		);
		if (record.stopping || !existsSync(pod.netns)) {
			// Its removal was begun, or its network is gone: what is left of it goes as well.
			if (process) supervisor.open(running);
			void this.remove(pod.uid, 0);
			return;
		}
		this.#options.onPodAdded?.(pod);
		supervisor.open(running);
	}

	#stillRunning({ pod, slot = 0, process, beside }: PodRecord): RunningProxies {
		const { state } = this.#options;
		const find = (known: ProcessIdentity | undefined, where: ProxySlot): ProcessIdentity | undefined => {
			if (known && isRunning(known)) return known;
			const { bootstrap } = podPaths(state, pod.uid, where);
			return existsSync(bootstrap) ? this.#findEnvoy(bootstrap) : undefined;
		};
		const own = find(process, slot);
		const other = find(beside?.process, otherSlot(slot));
		const role = beside?.role ?? "successor";
		// The one that was to follow has the pod when the other has ended meanwhile.
		if (!own && other && role === "successor") return { process: other, slot: otherSlot(slot) };
		return {
			slot,
			...(own ? { process: own } : {}),
			...(other ? { beside: { process: other, role } } : {}),
		};
	}

	/** An agent killed between start and note leaves an Envoy that only its command line tells. */
	#findEnvoy(bootstrap: string): ProcessIdentity | undefined {
		return findProcesses(["--config-path", bootstrap])[0];
	}

	#supervise(pod: PodSpec): PodSupervisor {
		const { state, envoy, bootstrapOf, dns, machine, hotSwitch, policyOf, processOf } = this.#options;
		const supervisor: PodSupervisor = new PodSupervisor(pod, {
			clock: this.#clock,
			log: this.#log,
			state,
			envoy,
			bootstrapOf,
			...(dns ? { dns } : {}),
			...(machine ? { machine } : {}),
			...(hotSwitch ? { hotSwitch } : {}),
			...(policyOf ? { policyOf } : {}),
			...(processOf ? { processOf } : {}),
			onSwitched: (change) => this.#options.onSwitched?.(pod, change),
			onProcess: () =>
				this.#store.save({
					pod,
					...supervisor.proxies.running,
					stopping: isLeaving(supervisor.state),
				}),
			onStopped: async () => {
				await this.#store.remove(pod.uid);
				if (this.#pods.get(pod.uid) === supervisor) this.#pods.delete(pod.uid);
				this.#options.onPodRemoved?.(pod);
			},
		});
		this.#pods.set(pod.uid, supervisor);
		for (const warning of supervisor.warnings)
			this.#log.warn({ pod: supervisor.plan.owner, warning }, "annotation ignored");
		return supervisor;
	}

	#check(pod: PodSpec): readonly RequestProblem[] {
		const problems: RequestProblem[] = [];
		const { adminSocket } = podPaths(this.#options.state, pod.uid);
		if (Buffer.byteLength(adminSocket) > maxSocketPathBytes)
			problems.push({
				path: "uid",
				message: `the socket ${adminSocket} would have a path longer than ${maxSocketPathBytes} bytes`,
				hint: "use a shorter --state directory or a shorter uid",
			});
		if (!existsSync(pod.netns))
			problems.push({
				path: "netns",
				message: `${pod.netns} does not exist`,
				hint: "ip netns list; or /proc/PID/ns/net",
			});
		return problems;
	}

	#readLeases(): void {
		if (this.#closed) return;
		for (const supervisor of this.#pods.values()) supervisor.hotSwitch?.readLease();
		this.#cancelLeases = this.#clock.after(leaseReadIntervalMs, () => this.#readLeases());
	}

	#trimLogs(): void {
		if (this.#closed) return;
		for (const supervisor of this.#pods.values()) supervisor.trimLog();
		this.#cancelTrim = this.#clock.after(10_000, () => this.#trimLogs());
	}
}

export function statusOf(supervisor: PodSupervisor): PodStatus {
	const { state, pod } = supervisor;
	return {
		uid: pod.uid,
		name: pod.name,
		namespace: pod.namespace,
		ips: pod.ips,
		phase: state.phase,
		ready: state.phase === "ready",
		...("because" in state ? { because: state.because } : {}),
		...(state.pid === undefined ? {} : { pid: state.pid }),
		restarts: supervisor.restarts,
		...servingOf(supervisor),
		...("connections" in state && state.connections ? { connections: state.connections } : {}),
		...handoverOf(supervisor),
		interceptionMode: pod.interceptionMode,
		...(supervisor.remark === "" ? {} : { remark: supervisor.remark }),
		warnings: supervisor.warnings,
		adminSocket: supervisor.paths.adminSocket,
		log: supervisor.paths.log,
	};
}

function handoverOf({ proxies: { handover } }: PodSupervisor): Partial<PodStatus> {
	return handover.phase === "idle" && !handover.last ? {} : { handover };
}

function servingOf({ hotSwitch }: PodSupervisor): Partial<PodStatus> {
	if (!hotSwitch) return {};
	const { servingStep, because } = hotSwitch.state;
	const { bypass } = hotSwitch;
	return {
		servingStep,
		servingSince: new Date(hotSwitch.sinceMs).toISOString(),
		servingBecause: because,
		spareReady: hotSwitch.state.spareUp,
		...(bypass ? { bypass: bypassStatus(bypass) } : {}),
	};
}

function bypassStatus({ by, why, atMs, untilMs }: Bypass): PodStatus["bypass"] {
	const until = untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() };
	return { by, why, since: new Date(atMs).toISOString(), ...until };
}

/** Its removal was asked for. */
export function isLeaving(state: ProxyState): boolean {
	if (state.phase === "draining") return state.thenStop;
	return ["releasing", "settling", "stopping", "stopped"].includes(state.phase);
}
