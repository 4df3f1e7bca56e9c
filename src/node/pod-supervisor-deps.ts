// What a PodSupervisor works with.

import type { HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { HandoverConfig } from "./plan/handover-machine.ts";
import type { PodPaths, ProxySlot } from "./plan/pod-paths.ts";
import type { PodSpec } from "./plan/pod-spec.ts";
import type { ProxyMachineConfig } from "./plan/proxy-machine.ts";
import type { SwitchChange } from "./pod-hot-switch.ts";
import type { PodProcessDeps, ProxyProcess } from "./pod-process.ts";
import type { ProcessIdentity } from "./process-table.ts";

export interface PodSupervisorDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** Path of the Envoy binary. */
	readonly envoy: string;
	readonly state: string;
	/** With at most `heartbeatMs` between two signs of life; absent: none. */
	readonly bootstrapOf: (pod: PodSpec, heartbeatMs?: number, slot?: ProxySlot) => object;
	/** Where captured DNS queries go; absent: dnsCapture does nothing. */
	readonly dns?: { readonly address: string; readonly port: number };
	/** What control planes have said of it, if they have. */
	readonly policyOf?: (pod: PodSpec) => HotSwitchPolicy | undefined;
	/** What to do when a sidecar fails, until something else is said. Absent: nothing but start it again. */
	readonly hotSwitch?: HotSwitchPolicy;
	readonly onSwitched?: (change: SwitchChange) => void;
	/** Called when the process changed, to have it on disk. */
	readonly onProcess: (process: ProcessIdentity | undefined) => Promise<void>;
	readonly onStopped: () => Promise<void>;
	/** For Envoys that somebody else starts; undefined: the agent does. */
	readonly processOf?: (pod: PodSpec, paths: PodPaths, deps: PodProcessDeps) => ProxyProcess | undefined;
	readonly machine?: Partial<ProxyMachineConfig>;
	readonly handover?: Partial<HandoverConfig>;
	/** Default 10 MiB, and as much again for the older part. */
	readonly maxLogBytes?: number;
}
