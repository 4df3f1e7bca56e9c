// What drills need of a running mesh. `keepmesh drill` gives them a lab; tests of the runner give a fake.

import type { LoadReport } from "../load/load-report.ts";
import type { DrillLayer4 } from "./drill-layer4.ts";
import type { DrillLeader } from "./drill-leader.ts";
import type { DrillOutages } from "./drill-outages.ts";
import type { DrillSidecar } from "./drill-sidecar.ts";
import type { DrillSpare } from "./drill-spare.ts";
import type { DrillUpgrades } from "./drill-upgrades.ts";
import type { DrillVirtualIp } from "./drill-virtual-ip.ts";
import type { SideReport } from "./sent-requests.ts";

export interface DrillReport extends LoadReport {
	/** Answers that came from a server which saw no certificate of the caller, and connections in plaintext that were served. */
	readonly plaintext: number;
	/** Moments in which two nodes owned one address, as their kernels or the client saw it. Default 0. */
	readonly twoOwners?: number;
	/** Each way by itself, where the load goes several. */
	readonly sides?: Readonly<Record<string, SideReport>>;
	/** Requests that were lost although they ended before the fault. Default 0. */
	readonly strays?: number;
}

/**
 * `mesh`: requests on a fixed schedule from a workload to a service, and attempts in plaintext beside them. `virtualIp`: a probe a
 * millisecond. Through layer 4: `newConnections`, each request on its own, and `keptConnections`, all on a few that stay open.
 * `sidecar`: in and out of one workload, each request on a connection of its own. `spare`: the same under STRICT mutual TLS and
 * policies, with requests that these deny beside them.
 */
export type DrillLoad = "mesh" | "virtualIp" | "newConnections" | "keptConnections" | "sidecar" | "spare";

export interface RunningLoad {
	/** Ends it, waits for what is under way, and says what became of every request. */
	stop(): Promise<DrillReport>;
}

export interface WorkloadCertificate {
	/** `server-5d7.default` */
	readonly proxy: string;
	readonly serial: string;
	readonly issuerKeyId: string;
	/** Fingerprints of the roots that its Envoy trusts now, sorted. */
	readonly trusts: readonly string[];
}

export interface DrillMesh {
	/** How long control planes stay dead, where that is the drill. Default 10 s. */
	readonly outageMs?: number;
	startLoad(load: DrillLoad): Promise<RunningLoad>;
	/** Made when it is asked for first. */
	virtualIp?(): Promise<DrillVirtualIp>;
	/** Made when it is asked for first. */
	layer4?(): Promise<DrillLayer4>;
	/** Made when it is asked for first. */
	outages?(): Promise<DrillOutages>;
	/** Made when it is asked for first. */
	sidecar?(): Promise<DrillSidecar>;
	/** Made when it is asked for first. */
	spare?(): Promise<DrillSpare>;
	/** Made when it is asked for first. */
	leader?(): Promise<DrillLeader>;
	/** Made when it is asked for first. */
	upgrades?(): Promise<DrillUpgrades>;
	/** What every Envoy has in use now, asked of the Envoys. */
	certificates(): Promise<readonly WorkloadCertificate[]>;
	/** Between the workloads' Envoys since they started: made, as the servers counted them, and failed on either side. */
	handshakes(): Promise<{ readonly made: number; readonly failed: number }>;
	/** Resolves when every workload has another certificate in use. */
	renewLeaves(): Promise<void>;
	/** Resolves when the rotation is done; rejects when it ends in another way. */
	rotate(kind: "root" | "issuer"): Promise<void>;
	/** Milliseconds on a clock that never goes back. */
	nowMs(): number;
	sleep(ms: number): Promise<void>;
	/** Ends what was started for the drills. */
	close?(): void;
}
