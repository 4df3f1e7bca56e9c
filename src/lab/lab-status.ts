// What a lab's daemon says about itself, as JSON.

import type { LabHost, LabNode } from "./plan/lab-network.ts";
import type { WorkloadStatus } from "./workloads.ts";

export interface LabStatus {
	readonly name: string;
	/** `ready`: namespaces, control planes and forwarded ports are there; pods may still be starting. */
	readonly phase: "starting" | "ready" | "failed";
	readonly because: string;
	/** What is being done while it starts. */
	readonly step: string;
	readonly startedMs: number;
	readonly resources: string;
	readonly state: string;
	readonly client: LabHost;
	readonly controls: readonly LabHost[];
	readonly nodes: readonly LabNode[];
	/** Control planes and node agents. */
	readonly processes: readonly {
		readonly name: string;
		readonly pid?: number;
		readonly restarts: number;
		readonly log: string;
	}[];
	readonly forwards: readonly { readonly name: string; readonly port: number; readonly wantedPort: number }[];
	readonly deployments: readonly WorkloadStatus[];
	readonly problems: readonly string[];
}

export interface LabEvent {
	readonly sequence: number;
	readonly atMs: number;
	readonly about: string;
	readonly what: string;
}
