// What drills need of a running mesh. `keepmesh drill` gives them a lab; tests of the runner give a fake.

import type { LoadReport } from "../load/load-report.ts";

export interface DrillReport extends LoadReport {
	/** Answers that came from a server which saw no certificate of the caller, and connections in plaintext that were served. */
	readonly plaintext: number;
}

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
	/** Requests on a fixed schedule from a workload of the mesh to a service of it, and beside them attempts in plaintext. */
	startLoad(): Promise<RunningLoad>;
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
}
