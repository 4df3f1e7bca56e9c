// A lease instead of VRRP, where nodes cannot hear each other. In: what an owner knows of its lease, and what it heard last. Out: why
// it has to let its addresses go. An owner that merely cannot reach the store is not believed to be the reason of anything: unless it
// is told otherwise, it goes on until another machine is heard that has an address.

import { holdsLease, othersLease } from "./election-rules.ts";
import type { ElectionConfig, ElectionEvent, ElectionState } from "./election-state.ts";

/** Undefined: it stays. */
export function letGo(config: ElectionConfig, state: ElectionState, event: ElectionEvent): string | undefined {
	if (!config.decides || state.role !== "MASTER") return undefined;
	const { nowUs } = event;
	const other = othersLease(config, state, nowUs);
	if (other) return `${other.record.holderIdentity} holds the lease`;
	if (holdsLease(config, state, nowUs)) return undefined;
	if (event.type === "conflictHeard") return `${event.mac} has an address, and the lease could not be renewed in time`;
	if (!config.releasesWhenUnreachable || !state.unreachable) return undefined;
	return `the lease could not be renewed in time: ${state.unreachable.because}`;
}

/** Who decides while the store cannot be reached. */
export function deciding({ decides, releasesWhenUnreachable }: ElectionConfig): string {
	if (!decides) return "VRRP decides alone";
	return releasesWhenUnreachable ? "the owner lets go when it runs out" : "the owner goes on, and nobody else claims";
}
