// What a node may conclude from the lease it saw. Clocks are never compared: a lease lives for its duration from the moment at
// which this node saw it change, as in client-go's leaderelection; a holder stops counting on it at two thirds of that.

import type { ElectionConfig, ElectionState } from "./election-state.ts";
import type { StoredLease } from "./lease-store.ts";

/** The lease of another node that is alive, as far as this one knows; nothing while the store is out of reach. */
export function othersLease(config: ElectionConfig, state: ElectionState, nowUs: number): StoredLease | undefined {
	const { observed, unreachable } = state;
	if (!observed?.lease || unreachable || !isLive(state, nowUs)) return undefined;
	return observed.lease.record.holderIdentity === config.identity ? undefined : observed.lease;
}

/** This node is the holder, with a margin before anybody else may be. */
export function holdsLease(config: ElectionConfig, state: ElectionState, nowUs: number): boolean {
	const { observed } = state;
	if (observed?.lease?.record.holderIdentity !== config.identity || observed.writtenUs === undefined) return false;
	return nowUs < observed.writtenUs + (observed.lease.record.leaseDurationSeconds * 1e6 * 2) / 3;
}

/** Nobody's, its own from an earlier run, or not renewed for its duration. */
export function mayAcquire(config: ElectionConfig, state: ElectionState, nowUs: number): boolean {
	const holder = state.observed?.lease?.record.holderIdentity ?? "";
	return holder === "" || holder === config.identity || !isLive(state, nowUs);
}

/** An owner wants it, and a candidate that hears no owner; a backup of an owner that is heard does not. */
export function wantsLease({ role, heardMaster }: ElectionState): boolean {
	return role === "MASTER" || (role === "BACKUP" && heardMaster === undefined);
}

/** Whom a claim waits for; undefined: for nobody. Empty: for the lease, which nobody is known to hold. */
export function waitsFor(config: ElectionConfig, state: ElectionState, nowUs: number): string | undefined {
	if (config.decides) {
		if (state.role !== "BACKUP" || holdsLease(config, state, nowUs)) return undefined;
		return othersLease(config, state, nowUs)?.record.holderIdentity ?? "";
	}
	if (state.role !== "BACKUP" || state.heardMaster || config.maxDelayMs === 0) return undefined;
	return othersLease(config, state, nowUs)?.record.holderIdentity;
}

/** Lease and VRRP name different nodes; the text says which. */
export function disagreementOf(config: ElectionConfig, state: ElectionState, nowUs: number): string | undefined {
	const other = othersLease(config, state, nowUs)?.record;
	if (!other) return undefined;
	if (state.role === "MASTER")
		return `this node owns the addresses, and ${other.holderIdentity} holds the lease (${other.reason})`;
	const source = state.heardMaster?.source;
	if (state.role !== "BACKUP" || source === undefined || other.address === "" || source === other.address)
		return undefined;
	return `adverts come from ${source}, and ${other.holderIdentity} (${other.address}) holds the lease`;
}

function isLive({ observed }: ElectionState, nowUs: number): boolean {
	if (!observed?.lease) return false;
	const { holderIdentity, leaseDurationSeconds } = observed.lease.record;
	return holderIdentity !== "" && nowUs < observed.changedUs + leaseDurationSeconds * 1e6;
}
