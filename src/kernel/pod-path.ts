// Where a pod's new connections go, in the kernel of its network namespace. In: a PathState. Out: the sets of the table that
// renderRedirect prints for a plan with a lease; how long the lease still runs. linux/ does it by netlink.

import type { PathState } from "../hotswitch/path-state.ts";
import type { Failure } from "./host-network.ts";

export interface PodPath {
	/** All its sets in one transaction. Connections that are established do not notice. */
	set(state: PathState): { readonly ok: true } | Failure;
	/** As it is in the kernel; undefined where there is no table that has a lease. */
	read(): PathState | undefined;
	/** Until the kernel gives the sidecar up, unless it shows a sign of life; undefined when it has. */
	leaseRemainingMs(): number | undefined;
	/** Stands in for signs of life that a sidecar without a lease cannot give just now: the next one counts as always. */
	vouch(forMs: number): { readonly ok: true } | Failure;
	/** Makes the kernel forget the connections that the sidecar was given, for a sidecar that is gone; tells how many. */
	forgetFlows(): number;
	close(): void;
}
