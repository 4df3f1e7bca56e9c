// HotSwitch, keepmesh.io/v1alpha1: what may be done for workloads whose proxy fails. In the root namespace without selector
// it is for the mesh, elsewhere for its namespace, with a selector for the workloads; the nearest that says a field decides.

import type { WorkloadLabelSelector } from "./security.ts";

/** Durations are texts like `60ms`. The defaults are those of a mesh without any HotSwitch. */
export interface HotSwitchSpec {
	readonly selector?: WorkloadLabelSelector;
	/** Default true. Off: a failed proxy is started again, and nothing else is done. */
	readonly enabled?: boolean;
	/** The steps below the workload's own proxy that may be taken. Default both; none of them: connections are refused. */
	readonly steps?: readonly ("spare" | "direct")[];
	/** Default permissive: past every proxy only where the workload's mutual TLS permits plaintext. */
	readonly failOpen?: "never" | "permissive" | "always";
	/** How long the kernel redirects without a sign of life. Default `90ms`, at least twice the heartbeat. */
	readonly lease?: string;
	/** Between two signs of life. Default `30ms`. */
	readonly heartbeat?: string;
	/** Without a sign of life for so long the proxy is killed. Default `100ms`, at least the lease. */
	readonly hang?: string;
	/** Good in a row for so long before the proxy gets connections back. Default `500ms`. */
	readonly prove?: string;
	readonly flap?: HotSwitchFlap;
	/** `direct` ends after so long. Default: no limit. */
	readonly directLimit?: string;
}

/** From `count` failures within `window` on, proving takes longer, doubled each time up to `maxProve`. */
export interface HotSwitchFlap {
	/** Default 3. */
	readonly count?: number;
	/** Default `60s`. */
	readonly window?: string;
	/** Default `60s`. */
	readonly maxProve?: string;
}
